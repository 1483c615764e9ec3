#' All figures of the report.
#'
#' @param analysis List as of [run_analysis()].
#' @return Named list; names are file names. Each is a list of `plot`, `alt` (text for those who do not see it),
#'   `width`, `height` (inches), or, where the results lack what the figure needs, of `gap` (a sentence).
build_figures <- function(analysis) {
  label <- analysis$label
  paper <- analysis$paper
  confusion <- analysis$confusion
  accuracy <- paper$quantity == "LI-RADS accuracy"
  printed_accuracy <- cbind(
    paper[accuracy, c("level", "number")], compute_paper_intervals(paper)[accuracy, c("low", "high")]
  )
  of_ours <- confusion[confusion$variant == "vgg16-adaptive", ]
  on_reference <- confusion[confusion$scoring == "reference_regions", ]
  list(
    figure_09_dice_boxes = draw(
      plot_dice_boxes(analysis$dice_quantiles, select_paper(paper, "median Dice", "Table 4"), label),
      "Box plot of the Dice of the test patients at each threshold, with the printed medians", 7, 4.4
    ),
    figure_10_dice_curves = draw(
      plot_dice_curves(analysis$dice_table, select_paper(paper, "average Dice", "Table 4"), label),
      "Curves of average and global Dice by threshold, with the printed averages", 7, 4.8
    ),
    figure_13_detection = draw(
      plot_detection(analysis$detection_table, paper[paper$item == "Fig. 13", ], label),
      "Precision and recall over thresholds at lesion and patient level, with and without the negative patients", 7.5,
      7.6
    ),
    figure_detection_by_size = draw(
      plot_detection_by_size(analysis$detection_by_size, label),
      "Share of detected reference lesions by threshold and diameter", 7.5, 3.6
    ),
    figure_14_confusion_vgg16_adaptive = draw_if(
      NROW(of_ours) > 0, plot_confusion(of_ours, "scoring", "Confusion matrix of vgg16-adaptive (Fig. 14)", label),
      "Confusion matrices of vgg16-adaptive", 8.5, 3.6, "categories.csv has no lesion of vgg16-adaptive"
    ),
    figure_16_confusion_variants = draw_if(
      NROW(on_reference) > 0,
      plot_confusion(
        on_reference, "variant", "Confusion matrix of each variant, reference regions (Figs. 15 and 16)", label
      ),
      "Confusion matrices of each variant on reference regions", 8.5,
      1 + 2.5 * ceiling(count_variants(on_reference$variant) / 3),
      "categories.csv has no lesion under reference_roi"
    ),
    figure_table_05_accuracy = draw_if(
      NROW(analysis$accuracy_table) > 0,
      plot_accuracy(analysis$accuracy_table, analysis$baselines, printed_accuracy, label),
      "Accuracy of each variant and way of scoring, beside the printed accuracies and baselines without images", 8,
      1.9 + 0.62 * count_variants(c(analysis$accuracy_table$variant, printed_accuracy$level)),
      "categories.csv has no row"
    ),
    figure_features = draw_if(
      any(!is.na(analysis$feature_table$value)), plot_feature_auc(analysis$feature_table, label),
      "Area under the ROC curve of each feature, variant and region", 8, 4, "features.csv has no row that can be scored"
    ),
    figure_training_history = draw_if(
      any(!is.na(analysis$training_history$value)), plot_training(analysis$training_history, label),
      "Loss by epoch for each training stage and variant", 8,
      1.6 + 2 * ceiling((2 + count_variants(analysis$training_history$variant)) / 3),
      "training_history.csv has no value"
    )
  )
}

#' Number of variants, which the height of a figure goes by.
#' @param variant Character vector or factor.
count_variants <- function(variant) {
  length(unique(stats::na.omit(as.character(variant))))
}

#' A figure that can always be drawn.
#' @param plot,alt,width,height As in [build_figures()].
draw <- function(plot, alt, width, height) {
  list(plot = plot, alt = alt, width = width, height = height)
}

#' A figure, or the gap where its data are not there; the plot is only evaluated if they are.
#' @param present Logical.
#' @param plot,alt,width,height As in [build_figures()].
#' @param gap Sentence.
draw_if <- function(present, plot, alt, width, height, gap) {
  if (present) draw(plot, alt, width, height) else list(gap = paste0("Not drawn: ", gap, "."))
}

#' Writes each figure as PNG and SVG.
#'
#' @param figures List as of [build_figures()].
#' @param folder Folder to write to; made if absent.
write_figures <- function(figures, folder) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  for (name in names(figures)) {
    figure <- figures[[name]]
    if (is.null(figure$plot)) {
      next
    }
    save <- function(extension, device, ...) {
      ggplot2::ggsave(
        file.path(folder, paste0(name, extension)), figure$plot, device = device, width = figure$width,
        height = figure$height, bg = "white", ...
      )
    }
    save(".png", ragg::agg_png, dpi = 180)
    save(".svg", svglite::svglite)
  }
}
