#' Gap of the fresh draw to the cross-validation.
#' @param gaps Data frame as of [compute_draw_gaps()].
tabulate_draw_gaps <- function(gaps) {
  digits <- choose_draw_digits(gaps$measure)
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

#' Every segmentation variant on every draw, the draws side by side.
#' @param rows Data frame as of [compute_draw_table()].
tabulate_draws <- function(rows) {
  segmentations <- unique(rows$segmentation)
  cells <- function(draw, segmentation) {
    of <- rows[rows$draw == draw & rows$segmentation == segmentation, ]
    measures <- vapply(DRAW_MEASURES, function(measure) {
      format_estimate(
        of[[measure]], of[[paste0(measure, "_low")]], of[[paste0(measure, "_high")]], choose_draw_digits(measure)
      )
    }, character(1))
    c(of$patients, of$with_lesion, measures)
  }
  columns <- lapply(unique(rows$draw), function(draw) unlist(lapply(segmentations, cells, draw = draw)))
  words <- keep_together(c("patients", "patients with a reference lesion", describe_code(DRAW_MEASURES)))
  table <- data.frame(
    rep(segmentations, each = length(words)), rep(words, length(segmentations)), columns, row.names = NULL
  )
  table[[1]][duplicated(table[[1]])] <- ""
  names(table) <- c("Segmentation", "Measure", describe_code(unique(rows$draw)))
  list(table = table, caption = paste(
    "Patients as they were acquired. Dice: over patients with a reference lesion. A lesion is found from the run's own",
    "intersection over union on; sensitivity: any reference lesion of the patient found; specificity: nothing",
    "predicted. Intervals: Wilson, n divided by the design effect; Dice and false lesions: patient bootstrap."
  ))
}

#' Decimals of a measure of draws.
#' @param measure Some of `DRAW_MEASURES`.
choose_draw_digits <- function(measure) ifelse(measure %in% c("average", "median"), 3, 2)

#' Patients under some conditions beside the same patients as they were acquired.
#' @param rows Rows of [compute_draw_conditions()], or NULL.
#' @param what Sentence on what was done to them.
#' @return List as of [new_report_table()]; NULL without a row.
tabulate_draw_conditions <- function(rows, what) {
  if (NROW(rows) == 0) {
    return(NULL)
  }
  difference <- function(measure) {
    columns <- paste0(measure, "_difference", c("", "_low", "_high"))
    format_estimate(rows[[columns[1]]], rows[[columns[2]]], rows[[columns[3]]], choose_draw_digits(measure))
  }
  new_report_table(
    paste0(
      what, " ", list_range(rows$patients), " patients, ", list_range(rows$with_lesion), " with a reference lesion. ",
      "Differences from as acquired are paired by patient; intervals: patient bootstrap."
    ),
    Segmentation = ifelse(duplicated(rows$segmentation), "", rows$segmentation),
    Condition = describe_condition(rows$condition, rows$amount), `Average Dice` = format_number(rows$average),
    Difference = difference("average"), Recall = format_number(rows$recall, 2),
    `Difference of recall` = difference("recall"),
    `False lesions a patient` = format_number(rows$false_per_patient, 2),
    `Difference of false lesions` = difference("false_per_patient")
  )
}

#' A number, or the range of several.
#' @param values Numeric vector.
list_range <- function(values) paste(unique(range(values)), collapse = " to ")
