#' Average Dice in every resample at each threshold.
#'
#' @param dice Data frame `patient_id`, `threshold`, `dice`: every patient at every threshold.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return List of `threshold`, `value` (averages) and `resampled`, a matrix (resamples, thresholds).
resample_average_dice <- function(dice, weights) {
  at <- split(dice, dice$threshold)
  list(
    threshold = vapply(at, function(rows) rows$threshold[1], numeric(1), USE.NAMES = FALSE),
    value = vapply(at, function(rows) mean(rows$dice), numeric(1), USE.NAMES = FALSE),
    resampled = vapply(at, function(rows) {
      resample_ratio(
        sum_by_patient(rows$dice, rows$patient_id, weights),
        sum_by_patient(rep(1, nrow(rows)), rows$patient_id, weights), weights
      )
    }, numeric(ncol(weights)), USE.NAMES = FALSE)
  )
}

#' Simultaneous 95 % band of average Dice over all thresholds.
#'
#' The quantile of the largest standardised deviation over the thresholds (maximum t) of the patient bootstrap: the
#' whole curve lies inside with the stated confidence, not each point alone.
#'
#' @param resampled List as of [resample_average_dice()].
#' @param level Confidence level.
#' @return Data frame `threshold`, `value`, `low`, `high`, `critical` (the quantile, in standard errors).
compute_dice_band <- function(resampled, level = 0.95) {
  drawn <- resampled$resampled
  keep <- rowSums(!is.finite(drawn)) == 0
  drawn <- drawn[keep, , drop = FALSE]
  se <- apply(drawn, 2, stats::sd)
  deviation <- abs(sweep(drawn, 2, resampled$value))
  # A threshold at which no resample differs has no deviation to standardise.
  standardised <- sweep(deviation, 2, ifelse(se > 0, se, Inf), "/")
  critical <- stats::quantile(apply(standardised, 1, max), level, names = FALSE)
  data.frame(
    threshold = resampled$threshold, value = resampled$value, low = pmax(0, resampled$value - critical * se),
    high = pmin(1, resampled$value + critical * se), critical = critical
  )
}

#' How often each threshold is the best of all, over the resamples.
#'
#' Ties go to the lower threshold.
#'
#' @param resampled List as of [resample_average_dice()].
#' @return Data frame `threshold`, `value` (average Dice), `share` (of the resamples), `is_best` (on the patients
#'   themselves).
compute_best_threshold <- function(resampled) {
  drawn <- resampled$resampled
  drawn <- drawn[rowSums(!is.finite(drawn)) == 0, , drop = FALSE]
  best <- max.col(round(drawn, 12), ties.method = "first")
  data.frame(
    threshold = resampled$threshold, value = resampled$value,
    share = tabulate(best, length(resampled$threshold)) / nrow(drawn),
    is_best = seq_along(resampled$value) == which.max(round(resampled$value, 12))
  )
}
