#' Outputs of the segmentation: Table 4, Figs. 8 to 12.
#' @return List as of [new_output()].
list_segmentation_outputs <- function() {
  list(
    new_output(
      "examples", function(analysis) NULL,
      paper_item = "Fig. 8", figure = "figure_08_examples",
      plot = function(nothing, analysis) {
        embed(
          analysis$pictures, "figure_8", "Examples (Fig. 8): image, reference, prediction.",
          "Examples of segmentations beside the reference", 9
        )
      },
      chapter = "segmentation"
    ),
    new_output(
      "dice", function(analysis) {
        compute_dice_table(analysis$results$dice_by_threshold, analysis$results$pixel_counts, analysis$weights)
      },
      paper_item = "Table 4", csv = "table_04_dice",
      table = function(dice, analysis) tabulate_dice(dice, analysis$paper), chapter = "segmentation"
    ),
    new_output(
      "dice_at_chosen_threshold", function(analysis) {
        compute_dice_at_chosen(
          analysis$results$dice_by_threshold, analysis$results$pixel_counts, analysis$results$fold_thresholds,
          get_estimate(analysis, "dice"), analysis$weights
        )
      },
      paper_item = "Table 4", csv = "table_04_dice_at_chosen_threshold",
      table = function(chosen, analysis) tabulate_chosen(chosen), chapter = "segmentation"
    ),
    new_output(
      "fold_thresholds", function(analysis) analysis$results$fold_thresholds,
      table = function(folds, analysis) tabulate_fold_thresholds(folds), chapter = "segmentation"
    ),
    new_output(
      "resampled_dice", function(analysis) {
        resample_average_dice(analysis$results$dice_by_threshold, analysis$weights)
      }
    ),
    new_output(
      "dice_simultaneous_band", function(analysis) compute_dice_band(get_estimate(analysis, "resampled_dice")),
      csv = "dice_simultaneous_band"
    ),
    new_output(
      "best_threshold", function(analysis) compute_best_threshold(get_estimate(analysis, "resampled_dice")),
      csv = "best_threshold",
      table = function(best, analysis) {
        tabulate_best_threshold(best, get_estimate(analysis, "dice_simultaneous_band"))
      },
      figure = "figure_best_threshold",
      plot = function(best, analysis) {
        draw(
          plot_best_threshold(best, analysis$label),
          "The best threshold is itself an estimate: how often each one came out on top.",
          "Share of the resamples in which each threshold had the best Dice", 7, 3.4, best
        )
      },
      chapter = "segmentation"
    ),
    new_output(
      "dice_boxes", function(analysis) compute_dice_quantiles(analysis$results$dice_by_threshold),
      paper_item = "Fig. 9", figure = "figure_09_dice_boxes",
      plot = function(quantiles, analysis) {
        draw(
          plot_dice_boxes(quantiles, select_paper(analysis$paper, "median Dice", "Table 4"), analysis$label),
          "Dice of the test patients by threshold. The article's Fig. 9 has the same whiskers.",
          "Box plot of the Dice of the test patients at each threshold, with the printed medians", 7, 4.4, quantiles
        )
      },
      chapter = "segmentation"
    ),
    new_output(
      "dice_curves", function(analysis) get_estimate(analysis, "dice"),
      paper_item = "Fig. 10", figure = "figure_10_dice_curves",
      plot = function(dice, analysis) {
        printed <- select_paper(analysis$paper, "average Dice", "Table 4")
        draw(
          plot_dice_curves(dice, printed, get_estimate(analysis, "dice_simultaneous_band"), analysis$label),
          paste(
            "Average (local) Dice gives every patient the same weight; global Dice gives it to every voxel, so large",
            "lesions dominate it."
          ),
          "Curves of average and global Dice by threshold, with the printed averages", 7, 4.8, dice
        )
      },
      chapter = "segmentation"
    ),
    new_output(
      "dice_by_size", function(analysis) {
        compute_dice_by_size(analysis$results$dice_by_threshold, analysis$results$lesions)
      },
      csv = "dice_by_size",
      table = function(by_size, analysis) tabulate_dice_by_size(by_size, analysis$results$fold_thresholds),
      chapter = "segmentation"
    ),
    new_output(
      "surface", function(analysis) compute_surface_table(analysis$results$surface, analysis$weights),
      csv = "surface", table = function(surface, analysis) tabulate_surface(surface), chapter = "segmentation"
    ),
    new_output(
      "pretraining_dice", function(analysis) compute_pretraining_dice(analysis$results$pretrain_dice),
      csv = "pretraining_dice",
      table = function(dice, analysis) tabulate_pretraining(dice, get_fact(analysis, "pretraining")),
      chapter = "segmentation"
    ),
    new_output(
      "small_lesions", function(analysis) NULL,
      paper_item = "Fig. 11", figure = "figure_11_small_lesions",
      plot = function(nothing, analysis) {
        embed(
          analysis$pictures, "figure_11", "Examples with small lesions (Fig. 11).", "Examples with small lesions", 9
        )
      },
      chapter = "segmentation"
    ),
    new_output(
      "pixel_curves", function(analysis) compute_pixel_table(analysis$results$pixel_counts, analysis$weights),
      paper_item = "Fig. 12", figure = "figure_12_pixel_curves",
      plot = function(pixels, analysis) {
        draw(
          plot_pixel_curves(pixels, analysis$label),
          paste(
            "The article's Fig. 12; its text lists the panels in another order, and calls all of them ROC curves.",
            "Background voxels are so many that specificity says little."
          ),
          "Precision, specificity and false positive rate against recall over thresholds, for voxels", 9, 4, pixels
        )
      },
      chapter = "segmentation"
    )
  )
}
