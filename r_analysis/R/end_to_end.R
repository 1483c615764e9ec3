#' Whether each method finds a lesion's category end to end, on the lesions that one segmentation variant detects.
#'
#' Beside the networks: the highest category for every detected lesion, and the category of its size alone
#' ([predict_size_only()], learnt on the reference diameters of the other folds, asked for the detected lesion's own
#' diameter). A missed lesion is an error of every method.
#'
#' @param results Named list of data frames of one segmentation variant.
#' @return Named list of logical vectors as of [find_correct()]: `highest`, `size_only`, and each characterisation
#'   variant of the run by its name; empty without automatic regions.
collect_end_to_end <- function(results) {
  automatic <- select_scoring(results$categories, "end_to_end")
  if (nrow(automatic) == 0) {
    return(list())
  }
  variants <- as.character(unique(automatic$variant))
  networks <- lapply(variants, function(variant) find_correct(results$categories, variant, "end_to_end"))
  columns <- c("patient_id", "lesion_id")
  # The detected lesions are the same for every characterisation variant.
  detected <- automatic[automatic$variant == variants[1], ]
  lesions <- results$lesions
  detected <- detected[match(row_keys(lesions, columns), row_keys(detected, columns)), ]
  highest <- ifelse(detected$detected == 1, rev(levels(lesions$category_ref))[1], NA)
  of_size <- predict_size_only(lesions, ifelse(detected$detected == 1, detected$diameter_mm, NA))
  is_right <- function(category) {
    stats::setNames((category == as.character(lesions$category_ref)) %in% TRUE, row_keys(lesions, columns))
  }
  c(list(highest = is_right(highest), size_only = is_right(of_size)), stats::setNames(networks, variants))
}

#' Accuracy end to end of every method on the detections of every segmentation variant.
#'
#' @param correct Named list (segmentation variants) of lists as of [collect_end_to_end()].
#' @return Data frame `segmentation`, `method` and the columns of [compute_clustered_proportion()].
compute_end_to_end <- function(correct) {
  rows <- lapply(names(correct), function(segmentation) {
    of_methods <- lapply(names(correct[[segmentation]]), function(method) {
      right <- correct[[segmentation]][[method]]
      data.frame(segmentation, method, compute_clustered_proportion(right, find_patient(right)))
    })
    do.call(rbind, of_methods)
  })
  do.call(rbind, rows)
}

#' Paired differences of accuracy end to end, over all reference lesions.
#'
#' Of every method between each segmentation variant and the first; and on each segmentation variant's detections
#' between a network and what needs no image of the lesion.
#'
#' @param correct As for [compute_end_to_end()].
#' @param main Name of the characterisation variant that is set beside the rules.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `first_segmentation`, `first`, `second_segmentation`, `second` (methods), `patients`, `n`,
#'   `accuracy_first`, `accuracy_second`, `difference`, `low`, `high`; NULL where there is no pair.
compute_end_to_end_differences <- function(correct, main, weights) {
  pair <- function(first_segmentation, first, second_segmentation, second) {
    right <- list(correct[[first_segmentation]][[first]], correct[[second_segmentation]][[second]])
    if (any(lengths(right) == 0)) {
      return(NULL)
    }
    columns <- c("patients", "n", "accuracy_first", "accuracy_second", "difference", "low", "high")
    data.frame(
      first_segmentation, first, second_segmentation, second,
      compute_paired_difference(right[[1]], right[[2]], weights)[columns]
    )
  }
  segmentations <- names(correct)
  between <- lapply(segmentations[-1], function(segmentation) {
    methods <- names(correct[[segmentation]])
    do.call(rbind, lapply(methods, function(method) pair(segmentation, method, segmentations[1], method)))
  })
  within <- lapply(segmentations, function(segmentation) {
    do.call(rbind, lapply(c("highest", "size_only"), function(rule) pair(segmentation, main, segmentation, rule)))
  })
  do.call(rbind, c(between, within))
}
