#' Area under the ROC curve of each feature.
#'
#' @param table Data frame as of [compute_feature_table()].
#' @param label Cohort label.
#' @return A ggplot.
plot_feature_auc <- function(table, label) {
  rows <- table[table$statistic == "auc" & !is.na(table$value), ]
  rows$feature <- factor(describe_code(rows$feature), describe_code(levels(table$feature)))
  rows$variant <- factor(rows$variant, rev(levels(table$variant)))
  # A perfect area has no interval: its point is shown without one.
  rows$low <- ifelse(is.na(rows$low), rows$value, rows$low)
  rows$high <- ifelse(is.na(rows$high), rows$value, rows$high)
  # The legend lists from top to bottom what a panel shows from top to bottom.
  breaks <- levels(rows$roi)
  rows$roi <- factor(rows$roi, rev(breaks))
  ggplot2::ggplot(rows, ggplot2::aes(x = .data$value, y = .data$variant, colour = .data$roi, shape = .data$roi)) +
    ggplot2::geom_vline(xintercept = 0.5, linetype = "dotted", colour = "grey40") +
    ggplot2::geom_pointrange(
      ggplot2::aes(xmin = .data$low, xmax = .data$high), position = ggplot2::position_dodge(width = 0.5),
      linewidth = 0.5, size = 0.5
    ) +
    ggplot2::facet_wrap(ggplot2::vars(.data$feature)) +
    ggplot2::scale_colour_manual(values = figure_colours()$roi, breaks = breaks, labels = describe_code, name = NULL) +
    ggplot2::scale_shape_manual(
      values = c(reference_roi = 16, automatic_roi = 17), breaks = breaks, labels = describe_code, name = NULL
    ) +
    ggplot2::scale_x_continuous(
      limits = c(0, 1), breaks = seq(0, 1, 0.25), labels = c("0", "0.25", "0.5", "0.75", "1")
    ) +
    ggplot2::labs(
      title = "Discrimination of the features", x = "Area under the ROC curve, within folds (0 to 1)", y = NULL,
      caption = figure_caption(label, "95 % of the patient bootstrap; dotted line: no discrimination.")
    ) +
    theme_report()
}
