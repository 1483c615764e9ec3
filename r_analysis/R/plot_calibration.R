#' Calibration of the features: what was predicted and what was there.
#'
#' @param bins Data frame as of [compute_calibration_bins()].
#' @param label Cohort label.
#' @return A ggplot.
plot_calibration <- function(bins, label) {
  bins$feature <- factor(describe_code(bins$feature), describe_code(levels(bins$feature)))
  variants <- levels(droplevels(bins$variant))
  bins$variant <- factor(bins$variant, variants)
  # As many marks as the palette has; a further variant begins again with the first.
  marks <- okabe_ito(c("blue", "orange", "bluishgreen", "reddishpurple", "vermillion", "skyblue", "black"))
  colours <- stats::setNames(rep_len(marks, length(variants)), variants)
  shapes <- stats::setNames(rep_len(c(16, 17, 15, 18, 3, 4, 8), length(variants)), variants)
  ggplot2::ggplot(bins, ggplot2::aes(x = .data$predicted, y = .data$proportion, colour = .data$variant)) +
    ggplot2::geom_abline(slope = 1, intercept = 0, colour = "grey40", linetype = "dotted") +
    ggplot2::geom_linerange(ggplot2::aes(ymin = .data$low, ymax = .data$high), alpha = 0.45) +
    ggplot2::geom_line(linewidth = 0.5) +
    ggplot2::geom_point(ggplot2::aes(shape = .data$variant), size = 1.9) +
    ggplot2::facet_wrap(ggplot2::vars(.data$feature)) +
    ggplot2::scale_colour_manual(values = colours, name = NULL) +
    ggplot2::scale_shape_manual(values = shapes, name = NULL) +
    ggplot2::scale_x_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.25), labels = format_level) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.25)) +
    ggplot2::labs(
      title = "Calibration of the features, reference regions", x = "Mean predicted probability (0 to 1)",
      y = "Lesions with the feature (0 to 1)",
      caption = figure_caption(
        label, "Fifths of the lesions by probability. Bars: 95 % Wilson intervals, n divided by the design effect."
      )
    ) +
    theme_report()
}
