#' Discrimination of each feature, for each variant and region.
#'
#' The area under the ROC curve compares lesions of the same fold only, because each fold has its own network;
#' `auc_pooled` compares all lesions. Both count ties as half. Sensitivity and specificity hold at the run's decision
#' threshold (present if the probability reaches it). Areas have percentile intervals of the patient bootstrap,
#' sensitivity and specificity Wilson intervals with n divided by the design effect (a bootstrap has no spread at 0
#' and 1). Lesions without a probability (missed, or without an image of the phase) are counted and left out.
#'
#' @param features Data frame `variant`, `roi`, `fold`, `patient_id`, `lesion_id`, `feature`, `reference`,
#'   `probability`.
#' @param decision_threshold Probability from which a feature is present.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `variant`, `roi`, `feature`, `statistic` (auc, auc_pooled, sensitivity, specificity),
#'   `patients`, `n_present`, `n_absent`, `n_unread`, `value`, `low`, `high`.
compute_feature_table <- function(features, decision_threshold, weights) {
  known <- features[!is.na(features$reference), ]
  groups <- split(known, list(known$feature, known$roi, known$variant), drop = TRUE)
  rows <- compute_in_parallel(groups, function(lesions) {
    scored <- lesions[!is.na(lesions$probability), ]
    if (nrow(scored) == 0) {
      return(NULL)
    }
    facts <- data.frame(
      lesions[1, c("variant", "roi", "feature")],
      patients = length(unique(scored$patient_id)), n_present = sum(scored$reference == 1),
      n_absent = sum(scored$reference == 0),
      n_unread = nrow(lesions) - nrow(scored), row.names = NULL
    )
    values <- rbind(
      compute_auc(scored, scored$fold, weights), compute_auc(scored, rep(0, nrow(scored)), weights),
      compute_rate(scored[scored$reference == 1, ], function(probability) probability >= decision_threshold),
      compute_rate(scored[scored$reference == 0, ], function(probability) probability < decision_threshold)
    )
    cbind(facts, statistic = c("auc", "auc_pooled", "sensitivity", "specificity"), values)
  })
  do.call(rbind, unname(rows))
}

#' Area under the ROC curve from pairs of lesions of the same stratum, with a patient-bootstrap interval.
#'
#' With `concordant[i, j]` the concordant pairs of a present lesion of patient i and an absent lesion of patient j of
#' the same stratum, and `pairs[i, j]` their number, a resample that counts patient i `w[i]` times has the area
#' w' concordant w / w' pairs w, both summed over strata.
#'
#' @param lesions Data frame `patient_id`, `reference` (0/1), `probability`.
#' @param stratum One value a lesion; only lesions of the same stratum are compared.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `value`, `low`, `high`; NA without pairs.
compute_auc <- function(lesions, stratum, weights) {
  parts <- lapply(split(lesions, stratum), resample_concordance, weights)
  total <- function(name) Reduce(`+`, lapply(parts, `[[`, name))
  pairs <- total("pairs")
  if (pairs == 0) {
    return(data.frame(value = NA_real_, low = NA_real_, high = NA_real_))
  }
  interval <- compute_bootstrap_interval(total("resampled_concordant") / total("resampled_pairs"))
  data.frame(value = total("concordant") / pairs, low = interval$low, high = interval$high)
}

#' Concordant pairs of a present and an absent lesion, and all such pairs, of some lesions and in every resample.
#'
#' @param lesions Data frame `patient_id`, `reference` (0/1), `probability`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return List of `concordant`, `pairs` (numbers) and `resampled_concordant`, `resampled_pairs` (one a resample).
resample_concordance <- function(lesions, weights) {
  present <- lesions[lesions$reference == 1, ]
  absent <- lesions[lesions$reference == 0, ]
  if (nrow(present) == 0 || nrow(absent) == 0) {
    none <- numeric(ncol(weights))
    return(list(concordant = 0, pairs = 0, resampled_concordant = none, resampled_pairs = none))
  }
  larger <- outer(present$probability, absent$probability, function(a, b) (a > b) + (a == b) / 2)
  by_patient <- function(pairs) t(rowsum(t(rowsum(pairs, present$patient_id)), absent$patient_id))
  concordant <- by_patient(larger)
  counts <- by_patient(larger * 0 + 1)
  of_present <- weights[rownames(counts), , drop = FALSE]
  of_absent <- weights[colnames(counts), , drop = FALSE]
  list(
    concordant = sum(concordant), pairs = sum(counts),
    resampled_concordant = colSums(of_present * (concordant %*% of_absent)),
    resampled_pairs = colSums(of_present * (counts %*% of_absent))
  )
}

#' Share of some lesions whose probability satisfies a condition.
#'
#' @param lesions Data frame `patient_id`, `probability`.
#' @param condition Function of the probabilities.
#' @return Data frame `value`, `low`, `high`; NA without lesions.
compute_rate <- function(lesions, condition) {
  rate <- compute_clustered_proportion(condition(lesions$probability), lesions$patient_id)
  data.frame(value = rate$proportion, low = rate$low, high = rate$high)
}
