#' All figures of the report.
#'
#' @param analysis List as of [run_analysis()].
#' @return Named list; names are file names. Each is a list of `plot`, `alt` (text for those who do not see it),
#'   `width`, `height` (inches) and `data` (what is drawn, as a table), or of `picture` (path of a PNG), `alt` and
#'   `width`, or, where the results lack what the figure needs, of `gap` (a sentence).
build_figures <- function(analysis) {
  c(
    build_cohort_figures(analysis), build_segmentation_figures(analysis), build_feature_figures(analysis),
    build_category_figures(analysis), build_diagram_figures(analysis)
  )
}

#' Figures of the patients: Fig. 4, sizes, and what only a virtual cohort has.
#' @param analysis List as of [run_analysis()].
build_cohort_figures <- function(analysis) {
  label <- analysis$label
  curves <- analysis$virtual$curves
  patients <- count_patient_flow(analysis)
  figures <- list(
    figure_04_patients = draw(
      plot_patient_flow(patients, label), "Flow chart of the patients: screened, included, positive and negative", 8, 4,
      patients
    ),
    figure_sizes = draw(
      plot_size_histogram(analysis$lesions, label), "Histogram of the reference diameters by category", 7, 3.6,
      analysis$lesions[c("patient_id", "lesion_id", "diameter_mm", "category_ref")]
    )
  )
  timing <- select_paper(analysis$paper, "time after injection")
  for (measure in intersect(c("signal_over_liver", "signal_over_precontrast"), names(curves))) {
    figures[[paste0("figure_contrast_", measure)]] <- draw(
      plot_contrast_curves(curves, measure, timing, label),
      "Curves of the signal over time of each tissue, by field strength", 9,
      1.7 + 1.35 * ceiling(length(unique(curves$tissue)) / CURVES_A_ROW),
      curves[c("tissue", "field_strength_t", "time_s", measure)]
    )
  }
  montage <- embed(analysis$pictures, "montage", "Montage of patients and phases with outlines", 9)
  if (is.null(montage$gap)) figures$figure_cohort_montage <- montage
  figures
}

#' Figures of segmentation and detection: Figs. 8 to 13.
#' @param analysis List as of [run_analysis()].
build_segmentation_figures <- function(analysis) {
  label <- analysis$label
  paper <- analysis$paper
  list(
    figure_08_examples = embed(analysis$pictures, "figure_8", "Examples of segmentations beside the reference", 9),
    figure_09_dice_boxes = draw(
      plot_dice_boxes(analysis$dice_quantiles, select_paper(paper, "median Dice", "Table 4"), label),
      "Box plot of the Dice of the test patients at each threshold, with the printed medians", 7, 4.4,
      analysis$dice_quantiles
    ),
    figure_10_dice_curves = draw(
      plot_dice_curves(
        analysis$dice_table, select_paper(paper, "average Dice", "Table 4"), analysis$dice_band, label
      ),
      "Curves of average and global Dice by threshold, with the printed averages", 7, 4.8, analysis$dice_table
    ),
    figure_best_threshold = draw(
      plot_best_threshold(analysis$best_threshold, label),
      "Share of the resamples in which each threshold had the best Dice", 7, 3.4, analysis$best_threshold
    ),
    figure_11_small_lesions = embed(analysis$pictures, "figure_11", "Examples with small lesions", 9),
    figure_12_pixel_curves = draw(
      plot_pixel_curves(analysis$pixel_table, label),
      "Precision, specificity and false positive rate against recall over thresholds, for voxels", 9, 4,
      analysis$pixel_table
    ),
    figure_13_detection = draw(
      plot_detection(analysis$detection_table, paper[paper$item == "Fig. 13", ], label),
      "Precision and recall over thresholds at lesion and patient level, with and without the negative patients", 7.5,
      7.6, analysis$detection_table
    ),
    figure_detection_by_size = draw(
      plot_detection_by_size(analysis$detection_by_size, label),
      "Share of detected reference lesions by threshold and diameter", 7.5, 3.6, analysis$detection_by_size
    ),
    figure_detection_model = draw_if(
      NROW(analysis$detection_model$curve) > 0, plot_detection_model(analysis$detection_model, label),
      "Probability of detection against diameter", 7, 3.8, analysis$detection_model$curve,
      paste0("No model of detection: ", analysis$detection_model$note)
    )
  )
}

#' Figures of the features: discrimination, calibration, and training.
#' @param analysis List as of [run_analysis()].
build_feature_figures <- function(analysis) {
  label <- analysis$label
  losses <- select_metric(analysis$training_history, "loss")
  dice <- select_metric(analysis$training_history, "dice")
  list(
    figure_features = draw_if(
      any(!is.na(analysis$feature_table$value)), plot_feature_auc(analysis$feature_table, label),
      "Area under the ROC curve of each feature, variant and region", 8, 4, analysis$feature_table,
      "features.csv has no row that can be scored"
    ),
    figure_calibration = draw_if(
      NROW(analysis$calibration_bins) > 0, plot_calibration(analysis$calibration_bins, label),
      "Share of lesions with the feature against its predicted probability", 8, 3.9, analysis$calibration_bins,
      "features.csv has no row that can be scored"
    ),
    figure_training_history = draw_if(
      nrow(losses) > 0, plot_training(losses, "loss", "Loss (no unit)", "Training history", label),
      "Loss by epoch for each training stage and variant", 8,
      1.6 + 2 * ceiling((2 + count_variants(losses$variant)) / 3), losses, "training_history.csv has no loss"
    ),
    figure_learning_curve = draw_if(
      nrow(dice) > 0, plot_training(dice, "dice", "Dice of samples (no unit)", "Learning curve", label),
      "Dice by epoch on training and on early-stopping patients", 8, 3.6, dice, "training_history.csv has no Dice"
    )
  )
}

#' Figures of the categories: Figs. 14 to 16, Table 5 and the contrasts of the claims.
#' @param analysis List as of [run_analysis()].
build_category_figures <- function(analysis) {
  label <- analysis$label
  confusion <- analysis$confusion
  of_ours <- confusion[confusion$variant == "vgg16-adaptive", ]
  on_reference <- confusion[confusion$scoring == "reference_regions", ]
  is_direct <- startsWith(as.character(on_reference$variant), "direct")
  of_direct <- on_reference[is_direct, ]
  of_networks <- on_reference[!is_direct, ]
  is_accuracy <- analysis$paper$quantity == "LI-RADS accuracy"
  printed <- cbind(
    analysis$paper[is_accuracy, c("level", "number")],
    compute_paper_intervals(analysis$paper)[is_accuracy, c("low", "high")]
  )
  list(
    figure_14_confusion_vgg16_adaptive = draw_if(
      NROW(of_ours) > 0, plot_confusion(of_ours, "scoring", "Confusion matrix of vgg16-adaptive (Fig. 14)", label),
      "Confusion matrices of vgg16-adaptive", 8.5, 3.6, of_ours, "categories.csv has no lesion of vgg16-adaptive"
    ),
    figure_15_confusion_direct = draw_if(
      NROW(of_direct) > 0,
      plot_confusion(
        of_direct, "variant", "Confusion matrix of the direct classifiers, reference regions (Fig. 15)", label
      ),
      "Confusion matrices of the direct classifiers", 8.5, 3.6, of_direct, "categories.csv has no direct classifier"
    ),
    figure_16_confusion_variants = draw_if(
      NROW(of_networks) > 0,
      plot_confusion(
        of_networks, "variant", "Confusion matrix of each combination, reference regions (Fig. 16)", label,
        columns = 2
      ),
      "Confusion matrices of each combination of network and loss on reference regions", 7,
      1 + 2.4 * ceiling(count_variants(of_networks$variant) / 2), of_networks,
      "categories.csv has no lesion under reference_roi"
    ),
    figure_table_05_accuracy = draw_if(
      NROW(analysis$accuracy_table) > 0,
      plot_accuracy(analysis$accuracy_table, analysis$baselines, printed, label),
      "Accuracy of each variant and way of scoring, beside the printed accuracies and baselines without images", 8,
      2.3 + 0.62 * count_variants(c(analysis$accuracy_table$variant, printed$level)), analysis$accuracy_table,
      "categories.csv has no row"
    ),
    figure_contrasts = draw_if(
      any(!is.na(analysis$contrasts$difference)), plot_contrasts(analysis$contrasts, label),
      "Differences of accuracy between variants with their intervals", 8, 3.8, analysis$contrasts,
      "no two variants of a contrast are in this run"
    )
  )
}

#' Number of variants, which the height of a figure goes by.
#' @param variant Character vector or factor.
count_variants <- function(variant) {
  length(unique(stats::na.omit(as.character(variant))))
}

#' A figure that can always be drawn.
#' @param plot,alt,width,height,data As in [build_figures()].
draw <- function(plot, alt, width, height, data) {
  list(plot = plot, alt = alt, width = width, height = height, data = data)
}

#' A figure, or the gap where its data are not there; the plot is only evaluated if they are.
#' @param present Logical.
#' @param plot,alt,width,height,data As in [build_figures()].
#' @param gap Sentence.
draw_if <- function(present, plot, alt, width, height, data, gap) {
  if (present) draw(plot, alt, width, height, data) else list(gap = gap)
}

#' Largest picture that is put into the page, in bytes; the page is to stay below 10 MB with all four.
MAXIMUM_PICTURE_BYTES <- 1.5e6

#' A figure that is a picture, or the gap.
#' @param pictures Named character vector as of [find_pictures()].
#' @param name Name in `PICTURES`, or "reader".
#' @param alt,width As in [build_figures()].
embed <- function(pictures, name, alt, width) {
  path <- unname(pictures[name])
  if (is.null(path) || is.na(path)) {
    return(list(gap = paste0("The results of this run have no ", PICTURES[[name]])))
  }
  if (file.size(path) > MAXIMUM_PICTURE_BYTES) {
    return(list(gap = paste0(basename(path), " is too large for the page; it lies in ", basename(dirname(path)))))
  }
  list(picture = path, alt = alt, width = width)
}

#' Writes each figure as PNG and SVG, and what it shows as CSV; a picture is copied.
#'
#' @param figures List as of [build_figures()].
#' @param folder Folder to write to; made if absent.
#' @param label Cohort label, the first column of every CSV.
write_figures <- function(figures, folder, label) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  compute_in_parallel(names(figures), function(name) {
    figure <- figures[[name]]
    if (!is.null(figure$picture)) {
      file.copy(figure$picture, file.path(folder, paste0(name, ".png")), copy.mode = FALSE)
    }
    if (is.null(figure$plot)) {
      return(NULL)
    }
    save <- function(extension, device, ...) {
      ggplot2::ggsave(
        file.path(folder, paste0(name, extension)), figure$plot, device = device, width = figure$width,
        height = figure$height, bg = "white", ...
      )
    }
    save(".png", ragg::agg_png, dpi = 180)
    save(".svg", svglite::svglite)
    write_table(cbind(cohort = label, as.data.frame(figure$data)), file.path(folder, paste0(name, ".csv")))
    NULL
  })
  invisible(NULL)
}
