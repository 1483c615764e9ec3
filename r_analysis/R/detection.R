#' Lesion-level precision and recall at each threshold.
#'
#' Section 3 of the article, ledger items 3 and 17: a reference lesion is detected (true positive) if any voxel of a
#' predicted component overlaps it; a predicted component that touches no reference lesion is a false positive; a
#' reference lesion that is not detected is a false negative.
#'
#' @param detection Data frame `threshold`, `patient_id`, `group`, `kind`, `matched`.
#' @return Data frame `level` (lesion), `population` (positives_only, with_negatives), `threshold`, `patients`, `tp`,
#'   `fp`, `fn`, `recall` and `precision` with their limits, and `precision_components` (matched predicted components
#'   / predicted components).
compute_lesion_detection <- function(detection) {
  summarize_populations(detection, function(at) {
    reference <- at[at$kind == "reference", ]
    predicted <- at[at$kind == "predicted", ]
    tp <- sum(reference$matched == 1)
    fp <- sum(predicted$matched == 0)
    # Every false positive and every detected lesion is one decision of the precision, and belongs to its patient.
    decisions <- rbind(
      data.frame(patient_id = reference$patient_id, correct = rep(1, nrow(reference)))[reference$matched == 1, ],
      data.frame(patient_id = predicted$patient_id, correct = rep(0, nrow(predicted)))[predicted$matched == 0, ]
    )
    cbind(
      data.frame(level = "lesion", tp = tp, fp = fp, fn = sum(reference$matched == 0)),
      label_proportion(compute_clustered_proportion(reference$matched, reference$patient_id), "recall"),
      label_proportion(compute_clustered_proportion(decisions$correct, decisions$patient_id), "precision"),
      data.frame(
        precision_components = if (nrow(predicted) > 0) mean(predicted$matched) else NA_real_,
        precision_by_construction = FALSE
      )
    )
  })
}

#' Patient-level precision and recall at each threshold.
#'
#' Section 3 of the article, ledger items 3 and 17: a patient is detected (true positive) if any of the patient's
#' reference lesions is; a patient with reference lesions none of which is detected is a false negative; a patient
#' without reference lesion in whom something is predicted is a false positive. Without such patients precision is 1
#' by construction.
#'
#' @param detection Data frame `threshold`, `patient_id`, `group`, `has_reference`, `has_prediction`, `detected`.
#' @return As [compute_lesion_detection()]; `level` is "patient", and `specificity` with its limits is added (patients
#'   without lesion).
compute_patient_detection <- function(detection) {
  summarize_populations(detection, function(at) {
    with_lesion <- at[at$has_reference == 1, ]
    without <- at[at$has_reference == 0, ]
    tp <- sum(with_lesion$detected == 1)
    fp <- sum(without$has_prediction == 1)
    called <- c(rep(1, tp), rep(0, fp))
    cbind(
      data.frame(level = "patient", tp = tp, fp = fp, fn = sum(with_lesion$detected == 0)),
      label_proportion(compute_clustered_proportion(with_lesion$detected, seq_len(nrow(with_lesion))), "recall"),
      label_proportion(compute_clustered_proportion(called, seq_along(called)), "precision"),
      data.frame(precision_components = NA_real_, precision_by_construction = nrow(without) == 0),
      label_proportion(
        compute_clustered_proportion(without$has_prediction == 0, seq_len(nrow(without))), "specificity"
      )
    )
  })
}

#' Applies a summary at each threshold to the positive patients and to all patients.
#'
#' @param detection Data frame with `threshold`, `group` and `patient_id`.
#' @param summarize Function of the rows of one threshold and one population.
#' @return Data frame with the columns `population`, `threshold`, `patients` and those of `summarize`.
summarize_populations <- function(detection, summarize) {
  populations <- list(positives_only = detection$group == "positive", with_negatives = rep(TRUE, nrow(detection)))
  tables <- lapply(names(populations), function(population) {
    rows <- detection[populations[[population]], ]
    at_threshold <- lapply(split(rows, rows$threshold), function(at) {
      cbind(data.frame(population = population, threshold = at$threshold[1]), summarize(at))
    })
    do.call(rbind, unname(at_threshold))
  })
  do.call(rbind, tables)
}

#' Names the estimate and limits of a clustered proportion.
#'
#' @param proportion One row as of [compute_clustered_proportion()].
#' @param name Such as "recall".
#' @return Data frame `<name>`, `<name>_low`, `<name>_high`.
label_proportion <- function(proportion, name) {
  stats::setNames(proportion[c("proportion", "low", "high")], paste0(name, c("", "_low", "_high")))
}

#' Share of reference lesions that are detected at each threshold, by size.
#'
#' @param detection Data frame `threshold`, `patient_id`, `kind`, `diameter_mm`, `matched`.
#' @return Data frame `threshold`, `size`, `patients`, `n`, `successes`, `proportion`, `low`, `high`, `design_effect`,
#'   `n_effective`.
compute_detection_curves <- function(detection) {
  reference <- detection[detection$kind == "reference", ]
  reference$size <- cut_size(reference$diameter_mm)
  groups <- split(reference, list(reference$size, reference$threshold), drop = TRUE)
  rows <- lapply(groups, function(at) {
    cbind(at[1, c("threshold", "size")], compute_clustered_proportion(at$matched, at$patient_id), row.names = NULL)
  })
  table <- do.call(rbind, unname(rows))
  if (is.null(table)) data.frame() else table
}

#' Share of reference lesions that are detected at each fold's chosen threshold, by size.
#'
#' @param detection As for [compute_detection_curves()], with `fold`.
#' @param fold_thresholds Data frame `fold`, `threshold_chosen`.
#' @return As [compute_detection_curves()] without `threshold`; no rows if lesion detection was not computed at
#'   a chosen threshold.
compute_recall_by_size <- function(detection, fold_thresholds) {
  table <- compute_detection_curves(pool_at_chosen(detection, fold_thresholds))
  table[setdiff(names(table), "threshold")]
}
