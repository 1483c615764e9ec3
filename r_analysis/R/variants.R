#' The variant that stands for the article's own network: the first that reads features.
#'
#' @param variants Data frame as variants.csv.
#' @return Its name.
find_main_variant <- function(variants) {
  variants$variant[variants$kind == "features"][1]
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
