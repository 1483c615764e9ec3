#' Probability of detection against diameter, with the shares in LI-RADS' size strata.
#'
#' @param model List as of [compute_detection_model()].
#' @param label Cohort label.
#' @return A ggplot.
plot_detection_model <- function(model, label) {
  ggplot2::ggplot(model$curve, ggplot2::aes(x = .data$diameter_mm)) +
    ggplot2::geom_ribbon(
      ggplot2::aes(ymin = .data$low, ymax = .data$high), fill = okabe_ito("skyblue"), alpha = 0.35
    ) +
    ggplot2::geom_line(ggplot2::aes(y = .data$value), colour = okabe_ito("blue"), linewidth = 0.8) +
    ggplot2::geom_pointrange(
      data = model$strata, ggplot2::aes(
        y = .data$proportion, ymin = .data$low, ymax = .data$high, shape = "share in a size stratum of LI-RADS"
      )
    ) +
    ggplot2::scale_shape_manual(values = 16, name = NULL) +
    ggplot2::scale_x_log10(breaks = c(5, 10, 20, 40, 80, 160)) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2)) +
    ggplot2::labs(
      title = "Detection of a reference lesion by its diameter", x = "Diameter (mm, logarithmic)",
      y = "Probability of detection (0 to 1)",
      caption = figure_caption(
        label, paste0("Curve: ", model$table$model[1], "; at the threshold chosen for each fold.")
      )
    ) +
    theme_report()
}
