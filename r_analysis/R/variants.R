#' The variant that stands for the article's own network: the first that reads features.
#'
#' @param variants Data frame as variants.csv.
#' @return Its name.
find_main_variant <- function(variants) {
  variants$variant[variants$kind == "features"][1]
}

#' The segmentation variant that stands for the article's own: the one that a table or figure of it has.
#'
#' @param variants Data frame as variants.csv.
#' @return Its name.
find_paper_segmentation <- function(variants) {
  variants$variant[variants$kind == "segmentation" & !is.na(variants$paper_item)][1]
}

#' The segmentation variants of a run.
#'
#' @param results Named list of data frames as of [read_results()].
#' @return Their names, the article's own first, the others in the order of variants.csv.
list_segmentations <- function(results) {
  variants <- results$variants
  of_run <- strsplit(results$run$value[results$run$key == "segmentation"], " +")[[1]]
  known <- intersect(variants$variant[variants$kind == "segmentation"], of_run)
  unique(c(intersect(find_paper_segmentation(variants), known), known))
}

#' The results as if the run had one segmentation variant alone.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param segmentation Name of the variant.
#' @return The results: of a table that tells of segmentation variants the rows of this one, and those of no variant
#'   (reference regions), without the column.
select_segmentation <- function(results, segmentation) {
  lapply(results, function(table) {
    if (!"segmentation" %in% names(table)) {
      return(table)
    }
    rows <- is.na(table$segmentation) | table$segmentation == segmentation
    table <- table[rows, names(table) != "segmentation", drop = FALSE]
    rownames(table) <- NULL
    table
  })
}

#' Whether each of some variants gives the category directly, without features.
#'
#' @param variant Names, as character or factor.
#' @param variants Data frame as variants.csv.
#' @return Logical vector.
is_direct <- function(variant, variants) {
  variants$kind[match(variant, variants$variant)] == "direct"
}

#' Number of variants, which the height of a figure goes by.
#' @param variant Character vector or factor.
count_variants <- function(variant) {
  length(unique(stats::na.omit(as.character(variant))))
}
