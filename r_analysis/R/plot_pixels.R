#' Fig. 12: the curves over voxels.
#'
#' The article calls all three receiver operating characteristic curves; they are labelled here as what they are.
#'
#' @param table Data frame as of [compute_pixel_table()].
#' @param label Cohort label.
#' @return A patchwork of three panels.
plot_pixel_curves <- function(table, label) {
  table$population <- factor(describe_code(table$population), describe_code(c("positives_only", "with_negatives")))
  table <- table[order(table$population, table$threshold), ]
  table$false_positive_rate <- 1 - table$specificity
  panel <- function(x, title, x_title, limits) {
    inside <- table[[x]] >= limits[1] & table[[x]] <= limits[2]
    rows <- table[!is.na(inside) & inside & !is.na(table$recall), ]
    ggplot2::ggplot(rows, ggplot2::aes(x = .data[[x]], y = .data$recall, colour = .data$population)) +
      ggplot2::geom_path(ggplot2::aes(linetype = .data$population), linewidth = 0.7) +
      ggplot2::geom_point(size = 0.9) +
      ggplot2::scale_colour_manual(values = figure_colours()$population, name = NULL) +
      ggplot2::scale_linetype_manual(values = c("solid", "22"), name = NULL) +
      ggplot2::scale_x_continuous(limits = limits, n.breaks = 4) +
      ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2)) +
      ggplot2::labs(title = title, x = x_title, y = "Recall (0 to 1)") +
      theme_report()
  }
  # Threshold 0 takes every voxel: its false positive rate of 1 would hide all others.
  above_zero <- table$false_positive_rate[table$threshold > 0]
  reach <- max(1e-6, above_zero, na.rm = TRUE)
  panels <- list(
    panel("precision", "A: precision and recall", "Precision (0 to 1)", c(0, 1)),
    panel("specificity", "B: sensitivity and specificity", "Specificity (0 to 1)", c(1 - reach, 1)),
    panel("false_positive_rate", "C: true and false positives", "False positive rate (0 to 1)", c(0, reach))
  )
  caption <- figure_caption(
    label, "Every point is a threshold; voxels of all patients together. B and C leave out the threshold 0."
  )
  patchwork::wrap_plots(panels, nrow = 1, guides = "collect") + patchwork::plot_annotation(
    caption = caption,
    theme = ggplot2::theme(plot.caption = ggplot2::element_text(size = 8, colour = "grey30", hjust = 0))
  ) & ggplot2::theme(legend.position = "bottom")
}
