#' Signal over time of each tissue, over that of cirrhotic liver or over its own before contrast.
#'
#' @param curves Data frame as contrast_curves.csv.
#' @param measure "signal_over_liver" or "signal_over_precontrast".
#' @param timing Data frame `level`, `number`: printed limits of the phases, in seconds ("arterial minimum", "arterial
#'   maximum", ..., "delayed").
#' @param label Cohort label.
#' @return A ggplot.
plot_contrast_curves <- function(curves, measure, timing, label) {
  words <- c(
    signal_over_liver = "signal over cirrhotic liver", signal_over_precontrast = "signal over its own before contrast"
  )[[measure]]
  rows <- curves[!is.na(curves[[measure]]), ]
  wrapped <- function(tissue) vapply(tissue, function(one) paste(strwrap(one, 20), collapse = "\n"), character(1))
  rows$tissue <- factor(wrapped(rows$tissue), wrapped(unique(curves$tissue)))
  fields <- sort(unique(rows$field_strength_t))
  rows$field <- factor(paste(rows$field_strength_t, "T"), paste(fields, "T"))
  at <- function(level) c(timing$number[timing$level == level], NA)[1]
  phases <- data.frame(
    low = c(at("arterial minimum"), at("portal venous minimum")),
    high = c(at("arterial maximum"), at("portal venous maximum"))
  )
  ggplot2::ggplot(rows, ggplot2::aes(x = .data$time_s, y = .data[[measure]])) +
    ggplot2::geom_rect(
      data = phases[!is.na(phases$low), ], ggplot2::aes(xmin = .data$low, xmax = .data$high, ymin = -Inf, ymax = Inf),
      inherit.aes = FALSE, fill = "grey85", alpha = 0.6
    ) +
    ggplot2::geom_vline(xintercept = stats::na.omit(at("delayed")), colour = "grey75", linewidth = 0.8) +
    ggplot2::geom_hline(yintercept = 1, linetype = "dotted", colour = "grey40") +
    ggplot2::geom_line(ggplot2::aes(colour = .data$field, linetype = .data$field), linewidth = 0.6) +
    ggplot2::facet_wrap(ggplot2::vars(.data$tissue), scales = "free_y", ncol = CURVES_A_ROW) +
    ggplot2::scale_colour_manual(
      values = okabe_ito(c("blue", "vermillion", "bluishgreen", "orange")), name = "Field strength"
    ) +
    ggplot2::scale_linetype_manual(values = c("solid", "22", "solid", "22"), name = "Field strength") +
    ggplot2::scale_x_continuous(n.breaks = 4) +
    ggplot2::scale_y_continuous(n.breaks = 4) +
    ggplot2::labs(
      title = paste0("Contrast over time: ", words, " (noiseless)"), x = "Time after the start of the injection (s)",
      y = "Signal ratio (no unit)",
      caption = figure_caption(label, "Grey: the article's arterial and portal venous windows, and its delayed phase.")
    ) +
    theme_report() +
    ggplot2::theme(strip.text = ggplot2::element_text(size = 8), axis.text = ggplot2::element_text(size = 8))
}

#' Panels side by side in the figures of contrast over time.
CURVES_A_ROW <- 5

#' Histogram of the reference diameters by category.
#'
#' @param lesions Data frame `diameter_mm`, `category_ref`.
#' @param label Cohort label.
#' @return A ggplot.
plot_size_histogram <- function(lesions, label) {
  lesions$category_ref <- factor(lesions$category_ref, rev(levels(factor(lesions$category_ref))))
  ggplot2::ggplot(lesions, ggplot2::aes(x = .data$diameter_mm, fill = .data$category_ref)) +
    # Bars end at the limits of LI-RADS' size strata.
    ggplot2::geom_histogram(breaks = 10 * 2^(seq(-8, 18) / 4), colour = "white", linewidth = 0.2) +
    ggplot2::geom_vline(xintercept = c(10, 20), linetype = "22", colour = "grey30") +
    ggplot2::scale_x_log10(breaks = c(2.5, 5, 10, 20, 40, 80, 160), labels = format_level, limits = 10 * 2^c(-2, 4.5)) +
    ggplot2::scale_y_continuous(expand = ggplot2::expansion(mult = c(0, 0.05))) +
    ggplot2::scale_fill_manual(
      values = figure_colours()$category, breaks = names(figure_colours()$category), name = "Reference category"
    ) +
    ggplot2::labs(
      title = "Reference diameters", x = "Diameter (mm, logarithmic)", y = "Lesions (count)",
      caption = figure_caption(
        label, paste0("n = ", nrow(lesions), " lesions. Dashed: the size limits of LI-RADS.")
      )
    ) +
    theme_report()
}
