#' Writes a table with the same bytes for the same content.
#'
#' @param table Data frame; numbers are written with six significant digits, NA as an empty cell.
#' @param path CSV file, UTF-8.
write_table <- function(table, path) {
  table[] <- lapply(table, function(column) {
    if (is.logical(column)) column <- as.integer(column)
    text <- if (is.numeric(column)) sprintf("%.6g", column) else as.character(column)
    replace(text, is.na(column), "")
  })
  readr::write_csv(table, path, na = "", eol = "\n", progress = FALSE)
}

#' Writes every table of the analysis; each begins with the cohort.
#'
#' @param analysis List as of [run_analysis()].
#' @param folder Folder that gets `paper_comparison.csv` and `tables/`.
write_tables <- function(analysis, folder) {
  tables <- list(
    run_facts = analysis$run, cohort = analysis$cohort_table, table_04_dice = analysis$dice_table,
    table_04_dice_at_chosen_threshold = analysis$dice_at_chosen,
    dice_by_size = analysis$dice_by_size,
    detection_by_size = analysis$detection_by_size,
    detection_by_size_at_chosen_threshold = analysis$detection_at_chosen,
    features = analysis$feature_table, table_05_accuracy = analysis$accuracy_table, baselines = analysis$baselines,
    figure_14_16_confusion = analysis$confusion, gaps = analysis$gaps, claims = analysis$claims,
    contrasts = analysis$contrasts, shifts = analysis$shifts, ignoring_clustering = analysis$ignoring_clustering,
    dice_simultaneous_band = analysis$dice_band, best_threshold = analysis$best_threshold,
    detection_model = analysis$detection_model$table,
    calibration = analysis$calibration, segmentation_baselines = analysis$segmentation_baselines,
    surface = analysis$surface_table, pretraining_dice = analysis$pretraining_dice,
    cohort_realism = analysis$virtual$realism, half_split = analysis$half_split, seeds = analysis$seeds
  )
  dir.create(file.path(folder, "tables"), showWarnings = FALSE, recursive = TRUE)
  for (name in names(tables)) {
    if (NROW(tables[[name]]) > 0) {
      write_table(cbind(cohort = analysis$label, tables[[name]]), file.path(folder, "tables", paste0(name, ".csv")))
    }
  }
  write_table(analysis$comparison, file.path(folder, "paper_comparison.csv"))
}
