#' Calibration of the feature probabilities on reference regions.
#'
#' `excess`: mean probability minus share of lesions with the feature (patient bootstrap); 0 is calibrated in the large.
#' `slope`: of a logistic regression of the reference on the log odds of the probability ([fit_cluster_robust()]); 1 is
#' calibrated, less is too extreme (Cox DR. Biometrika 1958;45:562-565). `brier`: mean squared error (patient
#' bootstrap). The folds' networks are taken together.
#'
#' @param features Data frame as features.csv.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `variant`, `feature`, `statistic` (excess, slope, brier), `patients`, `n`, `value`, `low`, `high`;
#'   NA where there is only one outcome.
compute_calibration <- function(features, weights) {
  rows <- lapply(split_calibrated(features), function(lesions) {
    n <- sum_by_patient(rep(1, nrow(lesions)), lesions$patient_id, weights)
    mean_of <- function(values) {
      resampled <- resample_ratio(sum_by_patient(values, lesions$patient_id, weights), n, weights)
      data.frame(value = mean(values), compute_bootstrap_interval(resampled)[c("low", "high")])
    }
    data.frame(
      lesions[1, c("variant", "feature")], statistic = c("excess", "slope", "brier"), patients = sum(n > 0),
      n = nrow(lesions),
      rbind(
        mean_of(lesions$probability - lesions$reference), compute_calibration_slope(lesions),
        mean_of((lesions$probability - lesions$reference)^2)
      ),
      row.names = NULL
    )
  })
  do.call(rbind, unname(rows))
}

#' Lesions with a probability and a known reference on reference regions, by variant and feature.
#' @param features Data frame as features.csv.
split_calibrated <- function(features) {
  known <- features[
    features$roi == "reference_roi" & !is.na(features$reference) & !is.na(features$probability),
  ]
  split(known, list(known$feature, known$variant), drop = TRUE)
}

#' Slope of the recalibration of some lesions.
#'
#' Probabilities of 0 and 1 are taken as 1e-6 and 1 - 1e-6, whose log odds are finite.
#'
#' @param lesions Data frame `patient_id`, `reference`, `probability`.
#' @return Data frame `value`, `low`, `high`; NA where there is only one outcome or one probability.
compute_calibration_slope <- function(lesions) {
  log_odds <- stats::qlogis(pmin(pmax(lesions$probability, 1e-6), 1 - 1e-6))
  enough <- length(unique(lesions$reference)) == 2 && length(unique(log_odds)) > 2 &&
    length(unique(lesions$patient_id)) > 2
  if (!enough) {
    return(data.frame(value = NA_real_, low = NA_real_, high = NA_real_))
  }
  slope <- fit_cluster_robust(log_odds, lesions$reference, lesions$patient_id)$coefficients[2, ]
  data.frame(value = slope$estimate, low = slope$low, high = slope$high)
}

#' Lesions in five groups of equal size by probability: what was predicted and what was there.
#'
#' @param features Data frame as features.csv.
#' @param groups Number of groups; fewer where probabilities are equal.
#' @return Data frame `variant`, `feature`, `predicted` (mean probability), and the columns of
#'   [compute_clustered_proportion()].
compute_calibration_bins <- function(features, groups = 5) {
  rows <- lapply(split_calibrated(features), function(lesions) {
    breaks <- unique(stats::quantile(lesions$probability, seq(0, 1, length.out = groups + 1), names = FALSE))
    bin <- if (length(breaks) > 1) cut(lesions$probability, breaks, include.lowest = TRUE) else rep(1, nrow(lesions))
    in_bins <- lapply(split(lesions, bin, drop = TRUE), function(some) {
      data.frame(
        some[1, c("variant", "feature")], predicted = mean(some$probability),
        compute_clustered_proportion(some$reference, some$patient_id), row.names = NULL
      )
    })
    do.call(rbind, unname(in_bins))
  })
  do.call(rbind, unname(rows))
}
