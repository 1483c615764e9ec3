#' Weighted kappa of confusion tables.
#'
#' Cohen J. Psychol Bull 1968;70:213-220: 1 - sum(w * observed) / sum(w * expected), with the disagreement weights |i
#' - j| (linear) or (i - j)^2 (quadratic) of ordered categories.
#'
#' @param counts Matrix (tables, categories^2): the cells of each table column by column, as `as.vector()` gives them.
#' @param weighting "linear" or "quadratic".
#' @return Numeric vector, one a table; NaN where expected disagreement is 0.
compute_weighted_kappa <- function(counts, weighting = c("linear", "quadratic")) {
  weighting <- match.arg(weighting)
  categories <- sqrt(ncol(counts))
  distance <- abs(outer(seq_len(categories), seq_len(categories), "-"))
  disagreement <- if (weighting == "linear") distance else distance^2
  row <- as.vector(row(disagreement))
  column <- as.vector(col(disagreement))
  total <- rowSums(counts)
  row_totals <- counts %*% outer(row, seq_len(categories), "==")
  column_totals <- counts %*% outer(column, seq_len(categories), "==")
  expected <- row_totals[, row, drop = FALSE] * column_totals[, column, drop = FALSE] / total
  as.vector(1 - (counts %*% as.vector(disagreement)) / (expected %*% as.vector(disagreement)))
}

#' Weighted kappa of lesions, with a patient-bootstrap interval.
#'
#' @param reference,predicted Factors with the same levels, in order, without NA.
#' @param patient_id Patient of each lesion.
#' @param weights Matrix as of [draw_patient_weights()].
#' @param weighting "linear" or "quadratic".
#' @return Data frame `value`, `low`, `high`, `se`.
compute_kappa <- function(reference, predicted, patient_id, weights, weighting) {
  cells <- interaction(reference, predicted)
  by_patient <- vapply(
    levels(cells), function(cell) sum_by_patient(cells == cell, patient_id, weights), numeric(nrow(weights))
  )
  by_patient <- matrix(by_patient, nrow(weights))
  resampled <- compute_weighted_kappa(crossprod(weights, by_patient), weighting)
  value <- compute_weighted_kappa(matrix(colSums(by_patient), 1), weighting)
  data.frame(value = if (is.finite(value)) value else NA_real_, compute_bootstrap_interval(resampled))
}
