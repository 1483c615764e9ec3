#' Dice of every segmentation variant at each threshold and at each fold's own, and the paired differences.
#'
#' @param by_segmentation Named list of results, one a segmentation variant; the first is what the others are set
#'   beside.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `at` (a threshold as text, or "chosen"), `statistic` (average, median, difference),
#'   `segmentation`, `minus` (the variant that is subtracted; NA but for a difference, which is of averages),
#'   `patients`, `value`, `low`, `high`.
compare_segmentation_dice <- function(by_segmentation, weights) {
  parts <- lapply(by_segmentation, function(results) {
    dice <- results$dice_by_threshold
    at <- split(dice, factor(format_level(dice$threshold), unique(format_level(sort(dice$threshold)))))
    c(at, list(chosen = select_at_chosen(dice, results$fold_thresholds)))
  })
  values <- lapply(parts, lapply, function(rows) stats::setNames(rows$dice, rows$patient_id))
  own <- lapply(names(parts), function(segmentation) {
    rows <- compute_in_parallel(parts[[segmentation]], function(at) summarize_local_dice(at, weights))
    bind_dice(rows, segmentation, NA_character_)
  })
  differences <- lapply(names(parts)[-1], function(segmentation) {
    first <- values[[segmentation]]
    second <- values[[1]][names(first)]
    rows <- Map(function(first, second) {
      cbind(statistic = "difference", compute_patient_mean(first - second[names(first)], weights))
    }, first, second)
    bind_dice(rows, segmentation, names(parts)[1])
  })
  do.call(rbind, c(own, differences))
}

#' Rows of [compare_segmentation_dice()] of one variant.
#' @param rows Named list of data frames, one a threshold.
#' @param segmentation,minus Names of variants.
bind_dice <- function(rows, segmentation, minus) {
  at <- rep(names(rows), vapply(rows, nrow, integer(1)))
  table <- do.call(rbind, unname(rows))[c("statistic", "patients", "value", "low", "high")]
  data.frame(
    at, statistic = table$statistic, segmentation, minus, table[c("patients", "value", "low", "high")],
    row.names = NULL
  )
}

#' A table of every segmentation variant, below one another.
#'
#' @param by_segmentation Named list of results, one a segmentation variant.
#' @param compute Function of the results of one variant that gives a data frame, or NULL.
#' @return Data frame `segmentation` and the columns of `compute`.
bind_segmentations <- function(by_segmentation, compute) {
  rows <- lapply(names(by_segmentation), function(segmentation) {
    table <- compute(by_segmentation[[segmentation]])
    if (NROW(table) > 0) cbind(segmentation = segmentation, table)
  })
  do.call(rbind, rows)
}
