BOOTSTRAP_RESAMPLES <- 10000
BOOTSTRAP_SEED <- 1153241

#' Weights of a bootstrap that resamples whole patients within their group.
#'
#' A statistic of a resample is computed from sums over patients, each counted as often as the resample drew it.
#'
#' @param patients Data frame with `patient_id` and `group`.
#' @param resamples Number of resamples.
#' @param seed Seed as of [draw_in_streams()].
#' @return Numeric matrix (patients, resamples); row names are patient identifiers, sorted.
draw_patient_weights <- function(patients, resamples = BOOTSTRAP_RESAMPLES, seed = BOOTSTRAP_SEED) {
  groups <- lapply(split(patients$patient_id, as.character(patients$group)), sort, method = "radix")
  weights <- draw_in_streams(resamples, function(columns) {
    do.call(rbind, lapply(groups, function(patient_id) {
      stats::rmultinom(columns, length(patient_id), rep(1, length(patient_id)))
    }))
  }, seed)
  storage.mode(weights) <- "double"
  rownames(weights) <- unlist(groups, use.names = FALSE)
  weights[order(rownames(weights), method = "radix"), , drop = FALSE]
}

#' Sums of values over the rows of each patient.
#'
#' @param values Numeric vector.
#' @param patient_id Patient of each value.
#' @param weights Matrix as of [draw_patient_weights()], which gives the patients and their order.
#' @return Numeric vector, one a row of `weights`; 0 for a patient without values.
sum_by_patient <- function(values, patient_id, weights) {
  sums <- rowsum(as.numeric(values), patient_id)
  out <- numeric(nrow(weights))
  out[match(rownames(sums), rownames(weights))] <- sums
  out
}

#' A ratio of two sums over patients in every resample.
#'
#' @param numerator,denominator One number a patient, in the order of `weights`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Numeric vector, one a resample; NaN where the denominator is 0.
resample_ratio <- function(numerator, denominator, weights) {
  as.vector(crossprod(weights, numerator) / crossprod(weights, denominator))
}

#' The median over patients in every resample.
#'
#' @param values One number a patient.
#' @param patient_id Patient of each value (each once).
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Numeric vector, one a resample; NA where a resample drew none of the patients.
resample_median <- function(values, patient_id, weights) {
  sorted <- order(values)
  counts <- weights[match(patient_id[sorted], rownames(weights)), , drop = FALSE]
  cumulated <- apply(counts, 2, cumsum)
  dim(cumulated) <- dim(counts)
  drawn <- colSums(counts)
  pick <- function(k) values[sorted][colSums(cumulated < rep(k, each = nrow(counts))) + 1]
  ifelse(drawn == 0, NA_real_, (pick(floor((drawn + 1) / 2)) + pick(ceiling((drawn + 1) / 2))) / 2)
}

#' Percentile interval and standard error of a bootstrapped statistic.
#'
#' @param resampled Numeric vector, one a resample; not finite where the statistic is undefined.
#' @param level Confidence level.
#' @return Data frame of one row: `low`, `high`, `se`; NA if the statistic is undefined in more than a tenth of the
#'   resamples, or is the same in all of them (a perfect area under the curve says nothing about its spread).
compute_bootstrap_interval <- function(resampled, level = 0.95) {
  defined <- resampled[is.finite(resampled)]
  if (length(defined) < 0.9 * length(resampled) || length(unique(defined)) == 1) {
    return(data.frame(low = NA_real_, high = NA_real_, se = NA_real_))
  }
  limits <- stats::quantile(defined, c(1 - level, 1 + level) / 2, names = FALSE)
  data.frame(low = limits[1], high = limits[2], se = stats::sd(defined))
}
