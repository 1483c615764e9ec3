#' From which intersection over union a reference lesion is detected: 0 stands for any shared voxel, which is the
#' article's rule (section 3).
OVERLAP_RULES <- c(0, 0.1, 0.5)

#' The rules that the results can be read by.
#'
#' @param detection Data frame as lesion_detection.csv.
#' @return Those of `OVERLAP_RULES`; any shared voxel alone where overlaps were not measured.
list_overlap_rules <- function(detection) {
  if (anyNA(detection$iou)) OVERLAP_RULES[1] else OVERLAP_RULES
}

#' What a rule calls detected.
#'
#' @param detection Data frame as lesion_detection.csv or patient_detection.csv.
#' @param column Its flag, "matched" or "detected".
#' @param minimum_iou One of `OVERLAP_RULES`.
#' @return The data frame with the flag by the rule.
apply_overlap_rule <- function(detection, column, minimum_iou) {
  # Written with six digits: a value on the rule may lie a rounding error below it.
  if (minimum_iou > 0) detection[[column]] <- as.integer(detection$iou >= minimum_iou - 1e-9)
  detection
}

#' Words for a rule of overlap.
#' @param minimum_iou Numeric vector.
describe_overlap_rule <- function(minimum_iou) {
  ifelse(minimum_iou == 0, "any voxel", paste("IoU \u2265", minimum_iou))
}

#' Rows of a table at each fold's chosen threshold, as of one threshold.
#'
#' @param table,fold_thresholds As for [select_at_chosen()].
#' @return The rows, with `threshold` 0.
pool_at_chosen <- function(table, fold_thresholds) {
  rows <- select_at_chosen(table, fold_thresholds)
  rows$threshold <- rep(0, nrow(rows))
  rows
}

#' False lesions of each patient: predicted components that belong to no reference lesion.
#'
#' @param detection Data frame `patient_id`, `kind`, `matched`.
#' @param patient_id All patients.
#' @return Numeric vector; names are patients.
count_false_lesions <- function(detection, patient_id) {
  false <- detection$patient_id[detection$kind == "predicted" & detection$matched == 0]
  stats::setNames(tabulate(match(false, patient_id), length(patient_id)), patient_id)
}

#' Detection at each fold's chosen threshold by each rule of overlap, over all patients.
#'
#' @param results Named list of data frames of one segmentation variant.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `minimum_iou`, `lesions` (reference), `tp`, `fp`, `fn` (lesions), `recall` and `precision` of
#'   lesions, `false_per_patient` (mean), `sensitivity` and `specificity` of patients, each with its limits; NULL where
#'   detection was not computed at the chosen thresholds.
compute_overlap_detection <- function(results, weights) {
  lesions <- pool_at_chosen(results$lesion_detection, results$fold_thresholds)
  patients <- pool_at_chosen(results$patient_detection, results$fold_thresholds)
  if (nrow(lesions) == 0 || nrow(patients) == 0) {
    return(NULL)
  }
  rows <- lapply(list_overlap_rules(results$lesion_detection), function(minimum_iou) {
    of_lesions <- apply_overlap_rule(lesions, "matched", minimum_iou)
    of_patients <- apply_overlap_rule(patients, "detected", minimum_iou)
    data.frame(minimum_iou = minimum_iou, summarize_detection(of_lesions, of_patients, weights))
  })
  do.call(rbind, rows)
}

#' Detection of lesions and of patients, over all patients.
#'
#' @param lesions,patients Data frames as lesion_detection.csv and patient_detection.csv, of one threshold.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return One row as of [compute_overlap_detection()], without `minimum_iou`.
summarize_detection <- function(lesions, patients, weights) {
  of_all <- function(table) table[table$population == "with_negatives", ]
  lesion <- of_all(compute_lesion_detection(lesions))
  patient <- of_all(compute_patient_detection(patients))
  false <- compute_patient_mean(count_false_lesions(lesions, patients$patient_id), weights)
  with_limits <- function(names) paste0(rep(names, each = 3), c("", "_low", "_high"))
  data.frame(
    lesions = lesion$tp + lesion$fn, lesion[c("tp", "fp", "fn", with_limits(c("recall", "precision")))],
    stats::setNames(false[c("value", "low", "high")], with_limits("false_per_patient")),
    stats::setNames(patient[with_limits(c("recall", "specificity"))], with_limits(c("sensitivity", "specificity"))),
    row.names = NULL
  )
}

#' Recall at each fold's chosen threshold by each rule of overlap and by diameter.
#'
#' @param results Named list of data frames of one segmentation variant.
#' @return Data frame `minimum_iou` and the columns of [compute_recall_by_size()].
compute_overlap_recall_by_size <- function(results) {
  rows <- lapply(list_overlap_rules(results$lesion_detection), function(minimum_iou) {
    table <- compute_recall_by_size(
      apply_overlap_rule(results$lesion_detection, "matched", minimum_iou), results$fold_thresholds
    )
    if (nrow(table) > 0) cbind(minimum_iou = minimum_iou, table)
  })
  do.call(rbind, rows)
}

#' Free-response curve: recall of lesions against false lesions a patient, over thresholds, by each rule of overlap.
#'
#' @param results Named list of data frames of one segmentation variant.
#' @return Data frame `minimum_iou`, `threshold`, `false_per_patient` (over all patients), `recall`, `recall_low`,
#'   `recall_high`.
compute_free_response <- function(results) {
  rows <- lapply(list_overlap_rules(results$lesion_detection), function(minimum_iou) {
    table <- compute_lesion_detection(apply_overlap_rule(results$lesion_detection, "matched", minimum_iou))
    table <- table[table$population == "with_negatives", ]
    data.frame(
      minimum_iou = minimum_iou, threshold = table$threshold, false_per_patient = table$fp / nrow(results$patients),
      table[c("recall", "recall_low", "recall_high")], row.names = NULL
    )
  })
  do.call(rbind, rows)
}
