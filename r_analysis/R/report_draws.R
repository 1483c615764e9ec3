#' Gap of the fresh draw to the cross-validation.
#' @param gaps Data frame as of [compute_draw_gaps()].
tabulate_draw_gaps <- function(gaps) {
  digits <- ifelse(gaps$measure %in% c("average", "median"), 3, 2)
  new_report_table(
    paste(
      "The fresh draw by the network of all patients minus the run's own patients by the networks of their folds.",
      "These are other patients, and each group is resampled by itself. Intervals: patient bootstrap."
    ),
    Segmentation = ifelse(duplicated(gaps$segmentation), "", gaps$segmentation),
    Measure = keep_together(describe_code(gaps$measure)),
    `Cross-validation` = format_each(gaps$cross_validation, digits), `Fresh draw` = format_each(gaps$fresh, digits),
    Difference = format_estimate(gaps$difference, gaps$low, gaps$high, digits),
    Verdict = keep_together(ifelse(is.na(gaps$verdict), "", gaps$verdict))
  )
}

#' Every segmentation variant on every draw.
#' @param rows Data frame as of [compute_draw_table()].
tabulate_draws <- function(rows) {
  estimate <- function(measure, digits) {
    format_estimate(rows[[measure]], rows[[paste0(measure, "_low")]], rows[[paste0(measure, "_high")]], digits)
  }
  new_report_table(
    paste(
      "Patients as they were acquired. Dice: over patients with a reference lesion. A lesion is found from the run's",
      "own intersection over union on; sensitivity: any reference lesion of the patient found; specificity: nothing",
      "predicted. Intervals: Wilson, n divided by the design effect; Dice and false lesions: patient bootstrap."
    ),
    Segmentation = ifelse(duplicated(rows$segmentation), "", rows$segmentation),
    Draw = keep_together(describe_code(rows$draw)), Patients = rows$patients, `With lesion` = rows$with_lesion,
    `Average Dice` = estimate("average", 3), `Median Dice` = estimate("median", 3), Recall = estimate("recall", 2),
    Precision = estimate("precision", 2), `False lesions a patient` = estimate("false_per_patient", 2),
    Sensitivity = estimate("sensitivity", 2), Specificity = estimate("specificity", 2)
  )
}

#' Patients under some conditions beside the same patients as they were acquired.
#' @param rows Rows of [compute_draw_conditions()], or NULL.
#' @param what Sentence on what was done to them.
#' @return List as of [new_report_table()]; NULL without a row.
tabulate_draw_conditions <- function(rows, what) {
  if (NROW(rows) == 0) {
    return(NULL)
  }
  estimate <- function(measure, digits) {
    format_estimate(rows[[measure]], rows[[paste0(measure, "_low")]], rows[[paste0(measure, "_high")]], digits)
  }
  new_report_table(
    paste(what, "Differences from as acquired are paired by patient; intervals: patient bootstrap."),
    Segmentation = ifelse(duplicated(rows$segmentation), "", rows$segmentation),
    Condition = keep_together(describe_condition(rows$condition, rows$amount)), Patients = rows$patients,
    `Average Dice` = format_number(rows$average), Difference = estimate("average_difference", 3),
    Recall = format_number(rows$recall, 2), `Difference of recall` = estimate("recall_difference", 2),
    `False lesions a patient` = format_number(rows$false_per_patient, 2),
    `Difference of false lesions` = estimate("false_per_patient_difference", 2)
  )
}
