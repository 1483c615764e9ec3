#' Outputs of the detection: Fig. 13, and detection by size.
#' @return List as of [new_output()].
list_detection_outputs <- function() {
  list(
    new_output(
      "detection", function(analysis) {
        dplyr::bind_rows(
          compute_lesion_detection(analysis$results$lesion_detection),
          compute_patient_detection(analysis$results$patient_detection)
        )
      },
      paper_item = "Fig. 13", table = function(detection, analysis) tabulate_detection(detection, analysis$paper),
      figure = "figure_13_detection",
      plot = function(detection, analysis) {
        draw(
          plot_detection(detection, analysis$paper[analysis$paper$item == "Fig. 13", ], analysis$label),
          paste(
            "Precision and recall at lesion and patient level. Left: as the article counts; right: with the negative",
            "patients, all of whose predicted components are false."
          ),
          paste(
            "Precision and recall over thresholds at lesion and patient level, with and without the negative patients"
          ), 7.5, 7.6, detection
        )
      },
      figure_first = TRUE, chapter = "detection"
    ),
    new_output(
      "detection_curves_by_size", function(analysis) {
        compute_detection_curves(analysis$results$lesion_detection)
      },
      csv = "detection_curves_by_size", figure = "figure_detection_curves_by_size",
      plot = function(curves, analysis) {
        draw(
          plot_detection_curves(curves, analysis$label),
          "Detection of reference lesions by diameter, in the strata of LI-RADS.",
          "Share of detected reference lesions by threshold and diameter", 7.5, 3.6, curves
        )
      },
      chapter = "detection"
    ),
    new_output(
      "recall_by_size_at_chosen_threshold", function(analysis) {
        compute_recall_by_size(analysis$results$lesion_detection, analysis$results$fold_thresholds)
      },
      csv = "recall_by_size_at_chosen_threshold",
      table = function(recall, analysis) tabulate_recall_by_size(recall), chapter = "detection"
    ),
    new_output(
      "detection_by_overlap", function(analysis) compute_overlap_detection(analysis$results, analysis$weights),
      csv = "detection_by_overlap", table = function(rows, analysis) tabulate_overlap_detection(rows),
      chapter = "detection"
    ),
    new_output(
      "detection_fit", function(analysis) {
        compute_detection_model(analysis$results$lesion_detection, analysis$results$fold_thresholds)
      }
    ),
    new_output(
      "detection_model", function(analysis) get_estimate(analysis, "detection_fit")$table,
      csv = "detection_model", table = function(model, analysis) tabulate_detection_model(model),
      figure = "figure_detection_model",
      plot = function(model, analysis) {
        fit <- get_estimate(analysis, "detection_fit")
        draw_if(
          NROW(fit$curve) > 0, plot_detection_model(fit, analysis$label), "Detection by diameter.",
          "Probability of detection against diameter", 7, 3.8, fit$curve, paste0("No model of detection: ", fit$note)
        )
      },
      chapter = "detection"
    )
  )
}
