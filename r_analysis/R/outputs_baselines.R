#' Outputs between floor and ceiling: what needs no network, and the most that can be had.
#' @return List as of [new_output()].
list_baseline_outputs <- function() {
  list(
    new_output(
      "segmentation_baselines", function(analysis) {
        compute_segmentation_baselines(
          analysis$results$dice_by_threshold, analysis$results$fold_thresholds, analysis$results$baseline_segmentation,
          analysis$results$reader_ceiling, analysis$weights
        )
      },
      csv = "segmentation_baselines", table = function(rows, analysis) tabulate_segmentation_ends(rows),
      chapter = "ends"
    ),
    new_output(
      "baselines", function(analysis) {
        rbind(
          compute_baselines(analysis$results$lesions, analysis$weights),
          compute_category_ceiling(analysis$results$lesions, analysis$weights)
        )
      },
      csv = "baselines",
      table = function(baselines, analysis) tabulate_category_ends(baselines, get_estimate(analysis, "accuracy")),
      chapter = "ends"
    )
  )
}
