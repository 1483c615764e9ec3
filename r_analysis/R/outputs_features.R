#' Outputs of the features: discrimination and calibration.
#' @return List as of [new_output()].
list_feature_outputs <- function() {
  nothing_scored <- "features.csv has no row that can be scored"
  list(
    new_output(
      "features", function(analysis) {
        compute_feature_table(
          analysis$results$features, as.numeric(get_fact(analysis, "decision_threshold")), analysis$weights
        )
      },
      csv = "features", table = function(features, analysis) tabulate_features(features), figure = "figure_features",
      plot = function(features, analysis) {
        draw_if(
          any(!is.na(features$value)), plot_feature_auc(features, analysis$label),
          "Area under the ROC curve of each feature.", "Area under the ROC curve of each feature, variant and region",
          8, 4, features, nothing_scored
        )
      },
      figure_first = TRUE, chapter = "features"
    ),
    new_output(
      "calibration_bins", function(analysis) compute_calibration_bins(analysis$results$features),
      figure = "figure_calibration",
      plot = function(bins, analysis) {
        draw_if(
          NROW(bins) > 0, plot_calibration(bins, analysis$label), "What was predicted and what was there.",
          "Share of lesions with the feature against its predicted probability", 8, 3.9, bins, nothing_scored
        )
      },
      chapter = "features"
    ),
    new_output(
      "calibration", function(analysis) compute_calibration(analysis$results$features, analysis$weights),
      csv = "calibration", table = function(calibration, analysis) tabulate_calibration(calibration),
      chapter = "features"
    )
  )
}
