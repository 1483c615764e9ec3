#' A colour for each segmentation variant, the same in every figure.
#' @param segmentation Names, the article's own first.
colour_segmentations <- function(segmentation) {
  colours <- okabe_ito(c("blue", "vermillion", "bluishgreen", "orange", "reddishpurple"))
  stats::setNames(colours[seq_along(segmentation)], segmentation)
}

#' Average Dice of each segmentation variant over thresholds.
#'
#' @param rows Data frame as of [compare_segmentation_dice()].
#' @param label Cohort label.
#' @return A ggplot.
plot_segmentation_dice <- function(rows, label) {
  colours <- colour_segmentations(unique(rows$segmentation))
  rows <- rows[rows$statistic == "average" & rows$at != "chosen", ]
  rows$threshold <- as.numeric(rows$at)
  rows$segmentation <- factor(rows$segmentation, names(colours))
  ggplot2::ggplot(
    rows, ggplot2::aes(x = .data$threshold, y = .data$value, colour = .data$segmentation, fill = .data$segmentation)
  ) +
    ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$low, ymax = .data$high), alpha = 0.15, colour = NA) +
    ggplot2::geom_line(linewidth = 0.8) +
    ggplot2::geom_point(size = 1.6) +
    ggplot2::scale_colour_manual(values = colours, name = NULL) +
    ggplot2::scale_fill_manual(values = colours, name = NULL) +
    ggplot2::scale_x_continuous(breaks = seq(0, 1, 0.1)) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Average Dice of each segmentation variant", x = "Threshold (probability)", y = "Dice (0 to 1)",
      caption = figure_caption(label, "Bands: 95 % of the patient bootstrap, point by point.")
    ) +
    theme_report()
}

#' Free-response curves: recall against false lesions a patient.
#'
#' @param curves Data frame as of [compute_free_response()] with `segmentation`.
#' @param chosen Data frame as of [compute_overlap_detection()] with `segmentation`.
#' @param label Cohort label.
#' @return A ggplot.
plot_free_response <- function(curves, chosen, label) {
  colours <- colour_segmentations(unique(curves$segmentation))
  rules <- describe_overlap_rule(sort(unique(curves$minimum_iou)))
  prepare <- function(table) {
    table$segmentation <- factor(table$segmentation, names(colours))
    table$rule <- factor(describe_overlap_rule(table$minimum_iou), rules)
    table
  }
  curves <- prepare(curves[order(curves$threshold), ])
  ggplot2::ggplot(
    curves, ggplot2::aes(x = .data$false_per_patient, y = .data$recall, colour = .data$segmentation)
  ) +
    ggplot2::geom_path(linewidth = 0.7) +
    ggplot2::geom_point(size = 1.4) +
    ggplot2::geom_point(
      data = prepare(chosen), ggplot2::aes(shape = "threshold chosen for each fold"), size = 3.2, fill = "white",
      stroke = 1
    ) +
    ggplot2::facet_wrap(ggplot2::vars(.data$rule)) +
    ggplot2::scale_colour_manual(values = colours, name = NULL) +
    ggplot2::scale_shape_manual(values = 23, name = NULL) +
    ggplot2::scale_x_continuous(limits = c(0, NA)) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Free-response curves: detected lesions against false ones", x = "False lesions a patient",
      y = "Recall of lesions (0 to 1)",
      caption = figure_caption(
        label, "A point a threshold; panels: how much of a lesion must be found. All patients, negative ones too."
      )
    ) +
    theme_report() +
    ggplot2::theme(panel.spacing = grid::unit(16, "pt"))
}
