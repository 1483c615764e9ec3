#' Fig. 9: distribution of the patients' Dice at each threshold, with the printed medians.
#'
#' @param quantiles Data frame as of [compute_dice_quantiles()].
#' @param paper Data frame `level`, `number`: printed medians.
#' @param label Cohort label.
#' @return A ggplot.
plot_dice_boxes <- function(quantiles, paper, label) {
  quantiles$threshold <- factor(format_level(quantiles$threshold))
  paper <- paper[paper$level %in% levels(quantiles$threshold), ]
  paper$threshold <- factor(paper$level, levels(quantiles$threshold))
  ggplot2::ggplot(quantiles, ggplot2::aes(x = .data$threshold)) +
    ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$p10, ymax = .data$p90), width = 0.25, linewidth = 0.4) +
    ggplot2::geom_boxplot(
      ggplot2::aes(ymin = .data$p25, lower = .data$p25, middle = .data$p50, upper = .data$p75, ymax = .data$p75),
      stat = "identity", fill = okabe_ito("skyblue"), width = 0.6, linewidth = 0.4
    ) +
    ggplot2::geom_point(
      data = paper, ggplot2::aes(y = .data$number, shape = "median printed in the article (Table 4)"), size = 3,
      fill = "white", colour = figure_colours()$paper
    ) +
    ggplot2::scale_shape_manual(values = 23, name = NULL) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Dice of the test patients by threshold (Fig. 9)", x = "Threshold (probability)",
      y = "Dice of a patient (0 to 1)",
      caption = figure_caption(
        label, "Line, box and whiskers: median, interquartile range, 10th and 90th percentiles; n =",
        paste0(max(quantiles$patients), " patients.")
      )
    ) +
    theme_report()
}

#' Fig. 10: average (local) and global Dice by threshold, with the printed averages.
#'
#' @param table Data frame as of [compute_dice_table()].
#' @param paper Data frame `level`, `number`: printed averages.
#' @param band Data frame as of [compute_dice_band()].
#' @param label Cohort label.
#' @return A ggplot.
plot_dice_curves <- function(table, paper, band, label) {
  colours <- figure_colours()$dice
  table <- table[table$statistic %in% names(colours), ]
  table$statistic <- factor(table$statistic, names(colours))
  paper$threshold <- as.numeric(paper$level)
  ggplot2::ggplot(table, ggplot2::aes(x = .data$threshold, y = .data$value)) +
    ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$low, ymax = .data$high, fill = .data$statistic), alpha = 0.15) +
    ggplot2::geom_line(data = band, ggplot2::aes(y = .data$low), colour = colours[["average"]], linetype = "dotted") +
    ggplot2::geom_line(data = band, ggplot2::aes(y = .data$high), colour = colours[["average"]], linetype = "dotted") +
    ggplot2::geom_line(ggplot2::aes(colour = .data$statistic, linetype = .data$statistic), linewidth = 0.8) +
    ggplot2::geom_line(data = paper, ggplot2::aes(y = .data$number), colour = figure_colours()$paper, linewidth = 0.3) +
    ggplot2::geom_point(
      data = paper, ggplot2::aes(y = .data$number, shape = "average printed in the article (Table 4)"), size = 2.5,
      fill = "white",
      colour = figure_colours()$paper
    ) +
    ggplot2::scale_colour_manual(values = colours, labels = describe_code, name = NULL) +
    ggplot2::scale_fill_manual(values = colours, labels = describe_code, name = NULL) +
    ggplot2::scale_linetype_manual(
      values = c(average = "solid", global_positive = "solid", global_all = "22"), labels = describe_code, name = NULL
    ) +
    ggplot2::scale_shape_manual(values = 23, name = NULL) +
    ggplot2::scale_x_continuous(breaks = seq(0, 1, 0.1)) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Average (local) and global Dice by threshold (Fig. 10)", x = "Threshold (probability)",
      y = "Dice (0 to 1)",
      caption = figure_caption(
        label, "Bands: 95 % of the patient bootstrap, point by point. Dotted: simultaneous 95 % band of the average."
      )
    ) +
    theme_report()
}

#' How often each threshold was the best of all.
#'
#' @param best Data frame as of [compute_best_threshold()].
#' @param label Cohort label.
#' @return A ggplot.
plot_best_threshold <- function(best, label) {
  best$level <- factor(format_level(best$threshold))
  ggplot2::ggplot(best, ggplot2::aes(x = .data$level, y = 100 * .data$share)) +
    ggplot2::geom_col(fill = okabe_ito("skyblue"), width = 0.7) +
    ggplot2::geom_text(ggplot2::aes(label = sprintf("%.1f", 100 * .data$share)), vjust = -0.4, size = 3) +
    ggplot2::geom_point(
      data = best[best$is_best, ], ggplot2::aes(y = 0, shape = "best on the patients themselves"), size = 3,
      fill = "white"
    ) +
    ggplot2::scale_shape_manual(values = 23, name = NULL) +
    ggplot2::scale_y_continuous(expand = ggplot2::expansion(mult = c(0.03, 0.12))) +
    ggplot2::labs(
      title = "Threshold with the best average Dice", x = "Threshold (probability)", y = "Share of the resamples (%)",
      caption = figure_caption(label, "Over the patient bootstrap; ties go to the lower threshold.")
    ) +
    theme_report()
}
