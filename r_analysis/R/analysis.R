#' All tables of the report.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param paper Data frame as of [read_paper_results()].
#' @return List: `label` (cohort), `run`, the tables by name, `gaps`, and `comparison`.
run_analysis <- function(results, paper) {
  run <- results$run
  weights <- draw_patient_weights(results$patients)
  decision_threshold <- as.numeric(run$value[run$key == "decision_threshold"])
  dice_table <- compute_dice_table(results$dice_by_threshold, results$pixel_counts, weights)
  analysis <- list(
    label = cohort_label(run),
    run = run,
    decision_threshold = decision_threshold,
    cohort_table = compute_cohort_table(results$patients, results$lesions, weights),
    dice_table = dice_table,
    dice_quantiles = compute_dice_quantiles(results$dice_by_threshold),
    dice_at_chosen = compute_dice_at_chosen(
      results$dice_by_threshold, results$pixel_counts, results$fold_thresholds, dice_table, weights
    ),
    dice_by_size = compute_dice_by_size(results$dice_by_threshold, results$lesions),
    detection_table = dplyr::bind_rows(
      compute_lesion_detection(results$lesion_detection), compute_patient_detection(results$patient_detection)
    ),
    detection_by_size = compute_detection_by_size(results$lesion_detection),
    detection_at_chosen = compute_detection_at_chosen(results$lesion_detection, results$fold_thresholds),
    feature_table = compute_feature_table(results$features, decision_threshold, weights),
    accuracy_table = compute_accuracy_table(results$categories, weights),
    confusion = compute_confusion(results$categories),
    baselines = compute_baselines(results$lesions, weights),
    training_history = results$training_history,
    fold_thresholds = results$fold_thresholds,
    gaps = find_gaps(results$categories),
    paper = paper
  )
  thresholds <- as.numeric(select_paper(paper, "average Dice", "Table 4")$level)
  analysis$comparison <- compare_with_paper(paper, collect_ours(analysis, thresholds), analysis$label)
  analysis
}
