#' Precision, recall (sensitivity, true positive rate) and specificity over voxels at each threshold (Fig. 12).
#'
#' Ratios of the sums over patients, with point-by-point percentiles of the patient bootstrap.
#'
#' @param counts Data frame as pixel_counts.csv.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `population` (positives_only, with_negatives), `threshold`, `patients`, `tp`, `fp`, `fn`, `tn`,
#'   and `recall`, `precision`, `specificity` with their limits; NA where the denominator is 0.
compute_pixel_table <- function(counts, weights) {
  populations <- list(positives_only = counts$group == "positive", with_negatives = rep(TRUE, nrow(counts)))
  tables <- compute_in_parallel(names(populations), function(population) {
    rows <- counts[populations[[population]], ]
    thresholds <- sort(unique(rows$threshold))
    column <- match(rows$threshold, thresholds)
    line <- match(rows$patient_id, rownames(weights))
    spread <- function(values) {
      matrix <- matrix(0, nrow(weights), length(thresholds))
      matrix[cbind(line, column)] <- values
      matrix
    }
    cells <- lapply(rows[c("tp", "fp", "fn", "tn")], spread)
    sums <- lapply(cells, function(cell) crossprod(weights, cell))
    totals <- as.data.frame(lapply(cells, colSums))
    rate <- function(name, part, whole) {
      resampled <- sums[[part]] / (sums[[part]] + sums[[whole]])
      intervals <- do.call(rbind, lapply(seq_along(thresholds), function(i) compute_bootstrap_interval(resampled[, i])))
      value <- totals[[part]] / (totals[[part]] + totals[[whole]])
      stats::setNames(
        data.frame(ifelse(is.finite(value), value, NA), intervals$low, intervals$high),
        paste0(name, c("", "_low", "_high"))
      )
    }
    cbind(
      data.frame(population = population, threshold = thresholds, patients = length(unique(rows$patient_id))),
      totals, rate("recall", "tp", "fn"), rate("precision", "tp", "fp"), rate("specificity", "tn", "fp")
    )
  })
  do.call(rbind, tables)
}
