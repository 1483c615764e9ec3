#' The network's Dice beside what an intensity window and what a second reader reach, paired by patient.
#'
#' The network is taken at each fold's own threshold, the intensity window as the other folds taught it, the readers
#' are the two simulated ones. A difference is over the patients that have both values.
#'
#' @param dice Data frame `patient_id`, `fold`, `threshold`, `dice`.
#' @param fold_thresholds Data frame `fold`, `threshold_chosen`.
#' @param baseline Data frame `patient_id`, `dice` as baseline_segmentation.csv, or NULL.
#' @param ceiling Data frame `patient_id`, `dice_readers` as reader_ceiling.csv, or NULL.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `quantity` (threshold, network, readers, network_minus_threshold, readers_minus_network),
#'   `patients`, `value`, `low`, `high`; without the rows that the results do not give.
compute_segmentation_baselines <- function(dice, fold_thresholds, baseline, ceiling, weights) {
  chosen <- select_at_chosen(dice, fold_thresholds)
  values <- list(
    threshold = stats::setNames(baseline$dice, baseline$patient_id),
    network = stats::setNames(chosen$dice, chosen$patient_id),
    readers = stats::setNames(ceiling$dice_readers, ceiling$patient_id)
  )
  values <- values[lengths(values) > 0]
  rows <- lapply(values, compute_patient_mean, weights)
  for (pair in list(c("network", "threshold"), c("readers", "network"))) {
    if (all(pair %in% names(values))) {
      both <- intersect(names(values[[pair[1]]]), names(values[[pair[2]]]))
      difference <- values[[pair[1]]][both] - values[[pair[2]]][both]
      rows[[paste(pair, collapse = "_minus_")]] <- compute_patient_mean(difference, weights)
    }
  }
  cbind(quantity = names(rows), do.call(rbind, unname(rows)))
}

#' Mean over patients with a patient-bootstrap interval.
#'
#' @param values Numeric vector; names are patients.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `patients`, `value`, `low`, `high`.
compute_patient_mean <- function(values, weights) {
  resampled <- resample_ratio(
    sum_by_patient(values, names(values), weights), sum_by_patient(rep(1, length(values)), names(values), weights),
    weights
  )
  interval <- compute_bootstrap_interval(resampled)
  data.frame(
    patients = length(values), value = if (length(values) > 0) mean(values) else NA_real_,
    interval[c("low", "high")]
  )
}

#' What the rules reach on the simulated truth, scored against the reference as a network is.
#'
#' @param lesions Data frame `patient_id`, `category_ref`, `category_true`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return One row as of [compute_baselines()] (`rules_on_truth`), over the lesions with a true category; NULL if there
#'   are none.
compute_category_ceiling <- function(lesions, weights) {
  known <- lesions[!is.na(lesions$category_true), ]
  if (nrow(known) == 0) {
    return(NULL)
  }
  kappa <- compute_kappa(known$category_ref, known$category_true, known$patient_id, weights, "linear")
  data.frame(
    baseline = "rules_on_truth",
    compute_clustered_proportion(
      as.character(known$category_true) == as.character(known$category_ref), known$patient_id
    ),
    kappa_linear = kappa$value, kappa_linear_low = kappa$low, kappa_linear_high = kappa$high
  )
}
