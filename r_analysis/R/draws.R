#' A fresh draw fails if the whole interval of its gap in average Dice lies below minus this; our choice.
GAP_MARGIN <- 0.05

#' What is set beside one another of the draws.
DRAW_MEASURES <- c("average", "median", "recall", "precision", "false_per_patient", "sensitivity", "specificity")

#' The patients of all draws under every condition, as each segmentation variant finds their lesions.
#'
#' @param by_segmentation Named list of results, one a segmentation variant.
#' @return Rows of draws.csv with `segmentation` first and `patient_id`, which tells patients of different draws apart.
collect_draws <- function(by_segmentation) {
  rows <- bind_segmentations(by_segmentation, function(results) results$draws)
  rows$patient_id <- row_keys(rows, c("draw", "draw_patient_id"))
  rows
}

#' Weights of a bootstrap that resamples the patients of each draw by themselves, within their group.
#'
#' The cross-validation's patients come first in every random stream, and are drawn as everywhere else in the report.
#'
#' @param rows Data frame as of [collect_draws()].
#' @return Matrix as of [draw_patient_weights()].
draw_weights_of_draws <- function(rows) {
  patients <- unique(rows[c("patient_id", "draw", "group")])
  draw_patient_weights(data.frame(patient_id = patients$patient_id, group = paste(patients$draw, patients$group)))
}

#' Every segmentation variant on every draw, as acquired.
#'
#' @param rows Data frame as of [collect_draws()].
#' @param weights Matrix as of [draw_weights_of_draws()].
#' @return Data frame `segmentation`, `draw` and the columns of [summarize_draw()].
compute_draw_table <- function(rows, weights) {
  acquired <- rows[rows$condition == "as_acquired", ]
  segmentation <- factor(acquired$segmentation, unique(acquired$segmentation))
  parts <- split(acquired, list(acquired$draw, segmentation), drop = TRUE)
  summaries <- lapply(unname(parts), function(part) {
    data.frame(segmentation = part$segmentation[1], draw = as.character(part$draw[1]), summarize_draw(part, weights))
  })
  do.call(rbind, summaries)
}

#' What a network finds in some patients.
#'
#' @param rows Rows of [collect_draws()], one a patient.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame of one row: `patients`, `with_lesion` (patients with a reference lesion, over whom Dice is),
#'   `average` and `median` Dice with their limits, and the columns of [summarize_detection()].
summarize_draw <- function(rows, weights) {
  with_lesion <- rows[rows$n_reference > 0, ]
  dice <- summarize_local_dice(
    data.frame(patient_id = with_lesion$patient_id, threshold = rep(0, nrow(with_lesion)), dice = with_lesion$dice),
    weights
  )[c("value", "low", "high")]
  limits <- c("", "_low", "_high")
  data.frame(
    patients = nrow(rows), with_lesion = nrow(with_lesion),
    stats::setNames(dice[1, ], paste0("average", limits)), stats::setNames(dice[2, ], paste0("median", limits)),
    summarize_detection(spread_lesions(rows), tell_patients(rows), weights), row.names = NULL
  )
}

#' The lesions that the rows of a draw count, one a row.
#'
#' @param rows Rows of [collect_draws()], one a patient.
#' @return Data frame as lesion_detection.csv: `threshold` (0), `patient_id`, `group`, `kind`, `matched`.
spread_lesions <- function(rows) {
  spread <- function(kind, matched, count) {
    data.frame(
      threshold = rep(0, sum(count)), patient_id = rep(rows$patient_id, count), group = rep(rows$group, count),
      kind = rep(kind, sum(count)), matched = rep(matched, sum(count))
    )
  }
  rbind(
    spread("reference", 1, rows$n_detected), spread("reference", 0, rows$n_reference - rows$n_detected),
    spread("predicted", 1, rows$n_matched), spread("predicted", 0, rows$n_predicted - rows$n_matched)
  )
}

#' What the rows of a draw tell of each patient.
#'
#' @param rows Rows of [collect_draws()], one a patient.
#' @return Data frame as patient_detection.csv: `threshold` (0), `patient_id`, `group`, `has_reference`,
#'   `has_prediction`, `detected`.
tell_patients <- function(rows) {
  data.frame(
    threshold = rep(0, nrow(rows)), rows[c("patient_id", "group")], has_reference = as.integer(rows$n_reference > 0),
    has_prediction = as.integer(rows$n_predicted > 0), detected = as.integer(rows$n_detected > 0)
  )
}

#' The fresh draw by the networks of all patients minus the cross-validation by the folds' networks.
#'
#' Two independent groups of patients, each resampled by itself. The average Dice alone is judged: `failure` if its
#' whole interval lies below minus `GAP_MARGIN`, else `no failure shown`.
#'
#' @param rows Data frame as of [collect_draws()].
#' @param weights Matrix as of [draw_weights_of_draws()].
#' @return Data frame `segmentation`, `measure` (`DRAW_MEASURES`), `cross_validation` and `fresh` (values),
#'   `difference`, `low`, `high`, `verdict` (NA of the other measures).
compute_draw_gaps <- function(rows, weights) {
  acquired <- rows[rows$condition == "as_acquired", ]
  gaps <- lapply(unique(acquired$segmentation), function(segmentation) {
    of <- function(draw) acquired[acquired$segmentation == segmentation & acquired$draw == draw, ]
    pairs <- lapply(DRAW_MEASURES, function(measure) {
      compute_measure_difference(of("fresh"), of("cross_validation"), measure, weights)
    })
    gap <- do.call(rbind, pairs)
    data.frame(
      segmentation, measure = DRAW_MEASURES, cross_validation = gap$second, fresh = gap$first,
      gap[c("difference", "low", "high")],
      verdict = ifelse(DRAW_MEASURES == "average", judge_gap(gap$high), NA)
    )
  })
  do.call(rbind, gaps)
}

#' Verdict on a gap.
#' @param high Upper limits; NA where there is none.
judge_gap <- function(high) {
  ifelse(!is.na(high) & high < -GAP_MARGIN, "failure", "no failure shown")
}

#' Difference of a measure between two sets of rows, resampled together: paired where they are of the same patients,
#' unpaired where they are not.
#'
#' @param first,second Rows of [collect_draws()], one a patient each.
#' @param measure One of `DRAW_MEASURES`.
#' @param weights Matrix as of [draw_patient_weights()] with the patients of both.
#' @return Data frame of one row: `first`, `second` (values), `difference`, `low`, `high`; NA where the measure is not
#'   defined.
compute_measure_difference <- function(first, second, measure, weights) {
  each_once <- matrix(1, nrow(weights), 1, dimnames = list(rownames(weights), NULL))
  values <- lapply(list(first, second), resample_measure, measure, each_once)
  values <- vapply(values, function(value) if (is.finite(value)) value else NA_real_, numeric(1))
  resampled <- resample_measure(first, measure, weights) - resample_measure(second, measure, weights)
  data.frame(
    first = values[1], second = values[2], difference = values[1] - values[2],
    compute_bootstrap_interval(resampled)[c("low", "high")]
  )
}

#' A measure in every resample.
#'
#' @param rows Rows of [collect_draws()], one a patient.
#' @param measure One of `DRAW_MEASURES`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Numeric vector, one a resample; not finite where the measure is not defined.
resample_measure <- function(rows, measure, weights) {
  has_lesion <- rows$n_reference > 0
  if (measure == "median") {
    return(resample_median(rows$dice[has_lesion], rows$patient_id[has_lesion], weights))
  }
  false <- rows$n_predicted - rows$n_matched
  ratio <- switch(measure,
    average = list(ifelse(has_lesion, rows$dice, 0), has_lesion),
    recall = list(rows$n_detected, rows$n_reference),
    precision = list(rows$n_detected, rows$n_detected + false),
    false_per_patient = list(false, rep(1, nrow(rows))),
    sensitivity = list(rows$n_detected > 0, has_lesion),
    specificity = list(!has_lesion & rows$n_predicted == 0, !has_lesion)
  )
  sums <- lapply(ratio, sum_by_patient, rows$patient_id, weights)
  resample_ratio(sums[[1]], sums[[2]], weights)
}
