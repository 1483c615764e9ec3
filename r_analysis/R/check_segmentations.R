#' The article's segmentation variant is in the run, and every table tells of the run's variants and of no other.
#'
#' Only a reference region has no variant, and in the history only fine-tuning has one.
#'
#' @param results Named list of sound data frames.
#' @return Problems.
check_segmentations <- function(results) {
  variants <- results$variants
  line <- which(results$run$key == "segmentation")
  told <- results$run$value[line]
  of_run <- strsplit(told, " +")[[1]]
  complain <- function(names, expected) {
    new_problems(
      "run.csv", "value", rep(line + 1, length(names)), sprintf("%s for segmentation", expected),
      rep(sprintf("'%s'", told), length(names))
    )
  }
  absent <- setdiff(find_paper_segmentation(variants), of_run)
  tables <- lapply(names(results), function(name) check_table_segmentations(name, results[[name]], variants, of_run))
  rbind(
    complain(setdiff(of_run, variants$variant[variants$kind == "segmentation"]), "variants of variants.csv"),
    complain(absent, paste(absent, "among the variants")), do.call(rbind, tables)
  )
}

#' The same of one table.
#'
#' @param name,table Its name and what is in it.
#' @param variants Data frame as variants.csv.
#' @param of_run Names of the run's segmentation variants.
#' @return Problems; none of a table that tells of no variant.
check_table_segmentations <- function(name, table, variants, of_run) {
  column <- if (name == "training_history") "variant" else "segmentation"
  if (!column %in% names(table) || name == "variants") {
    return(new_problems())
  }
  found <- as.character(table[[column]])
  if (name == "training_history") {
    has_one <- table$stage %in% SEGMENTATION_STAGES
    bad <- ifelse(has_one, !found %in% of_run, found %in% variants$variant[variants$kind == "segmentation"])
  } else {
    has_one <- if ("roi" %in% names(table)) table$roi != "reference_roi" else rep(TRUE, nrow(table))
    bad <- ifelse(has_one, !found %in% of_run, !is.na(found))
  }
  bad <- which(bad)
  # A variant may predict no lesion at all.
  lacking <- if (any(has_one) && name != "predicted_lesions") setdiff(of_run, found[has_one])
  file <- paste0(name, ".csv")
  rbind(
    new_problems(
      file, column, bad + 1, ifelse(has_one[bad], "a segmentation variant of run.csv", "no segmentation variant"),
      ifelse(is.na(found[bad]), "an empty cell", sprintf("'%s'", found[bad]))
    ),
    new_problems(file, column, rep(NA, length(lacking)), sprintf("rows of %s", lacking), rep("none", length(lacking)))
  )
}
