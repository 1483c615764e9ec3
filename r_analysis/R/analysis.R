#' All tables of the report.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param paper Data frame as of [read_paper_results()].
#' @param pictures Named character vector as of [find_pictures()].
#' @return List: `label` (cohort), `run`, the tables by name, `gaps`, `claims`, and `comparison`.
run_analysis <- function(results, paper, pictures = character()) {
  run <- results$run
  weights <- draw_patient_weights(results$patients)
  decision_threshold <- as.numeric(run$value[run$key == "decision_threshold"])
  dice_table <- compute_dice_table(results$dice_by_threshold, results$pixel_counts, weights)
  resampled <- resample_average_dice(results$dice_by_threshold, weights)
  analysis <- list(
    label = cohort_label(run),
    run = run,
    durations = results$durations,
    decision_threshold = decision_threshold,
    patients = results$patients,
    lesions = results$lesions,
    pictures = pictures,
    cohort_table = compute_cohort_table(results$patients, results$lesions, weights),
    virtual = collect_virtual_cohort(results),
    dice_table = dice_table,
    dice_band = compute_dice_band(resampled),
    best_threshold = compute_best_threshold(resampled),
    dice_quantiles = compute_dice_quantiles(results$dice_by_threshold),
    dice_at_chosen = compute_dice_at_chosen(
      results$dice_by_threshold, results$pixel_counts, results$fold_thresholds, dice_table, weights
    ),
    dice_by_size = compute_dice_by_size(results$dice_by_threshold, results$lesions),
    segmentation_baselines = compute_segmentation_baselines(
      results$dice_by_threshold, results$fold_thresholds, results$baseline_segmentation, results$reader_ceiling, weights
    ),
    surface_table = compute_surface_table(results$surface, weights),
    pretraining_dice = compute_pretraining_dice(results$pretrain_dice),
    pixel_table = compute_pixel_table(results$pixel_counts, weights),
    detection_table = dplyr::bind_rows(
      compute_lesion_detection(results$lesion_detection), compute_patient_detection(results$patient_detection)
    ),
    detection_by_size = compute_detection_by_size(results$lesion_detection),
    detection_at_chosen = compute_detection_at_chosen(results$lesion_detection, results$fold_thresholds),
    detection_model = compute_detection_model(results$lesion_detection, results$fold_thresholds),
    feature_table = compute_feature_table(results$features, decision_threshold, weights),
    calibration = compute_calibration(results$features, weights),
    calibration_bins = compute_calibration_bins(results$features),
    accuracy_table = compute_accuracy_table(results$categories, weights),
    contrasts = compute_contrasts(results$categories, weights),
    confusion = compute_confusion(results$categories),
    shifts = compute_shifts(results$categories),
    half_split = compute_half_split(results$half_split),
    seeds = compute_seed_table(results$seed_accuracy),
    baselines = rbind(
      compute_baselines(results$lesions, weights), compute_category_ceiling(results$lesions, weights)
    ),
    training_history = results$training_history,
    diagrams = collect_diagrams(results),
    fold_thresholds = results$fold_thresholds,
    gaps = find_gaps(results$categories),
    paper = paper
  )
  analysis$ignoring_clustering <- compute_ignoring_clustering(analysis, results$features)
  analysis$claims <- compute_claims(results, analysis, weights)
  thresholds <- as.numeric(select_paper(paper, "average Dice", "Table 4")$level)
  analysis$comparison <- compare_with_paper(paper, collect_ours(analysis, thresholds), analysis$label)
  analysis
}
