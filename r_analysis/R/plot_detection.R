#' Fig. 13: precision and recall over thresholds, lesion and patient level, with and without the negative patients.
#'
#' @param table Data frame as of [compute_lesion_detection()] and [compute_patient_detection()], together.
#' @param paper Data frame `quantity`, `level`, `number`: what the text prints of Fig. 13.
#' @param label Cohort label.
#' @return A patchwork of two rows.
plot_detection <- function(table, paper, label) {
  table$population <- factor(describe_code(table$population), describe_code(c("positives_only", "with_negatives")))
  table <- table[order(table$threshold), ]
  printed <- function(quantity, level) c(paper$number[paper$quantity == quantity & paper$level == level], NA)[1]
  as_printed <- factor(levels(table$population)[1], levels(table$population))
  range <- data.frame(
    population = as_printed, low = printed("recall", "lesion minimum"), high = printed("recall", "lesion maximum"),
    precision = printed("precision", "lesion minimum")
  )
  point <- data.frame(
    population = as_printed, recall = printed("recall", "patient"), precision = printed("precision", "patient")
  )
  colours <- ggplot2::scale_colour_manual(
    values = figure_colours()$level, labels = describe_code, name = NULL, guide = ggplot2::guide_legend(order = 1)
  )
  lowest <- function(x) min(0.8, floor(10 * min(x, na.rm = TRUE)) / 10)
  plane <- ggplot2::ggplot(table[!is.na(table$precision), ], ggplot2::aes(x = .data$recall, y = .data$precision)) +
    ggplot2::geom_rect(
      data = range,
      ggplot2::aes(
        xmin = .data$low, xmax = .data$high, ymin = .data$precision, ymax = 1,
        fill = "lesion level, printed in the article"
      ),
      inherit.aes = FALSE, alpha = 0.5, na.rm = TRUE
    ) +
    ggplot2::geom_path(
      ggplot2::aes(colour = .data$level), linewidth = 0.6,
      arrow = grid::arrow(length = grid::unit(9, "pt"), angle = 20), show.legend = FALSE
    ) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$level), size = 1.6) +
    ggplot2::geom_point(
      data = point, ggplot2::aes(shape = "patient level, printed in the article"), size = 3.5, fill = "white",
      na.rm = TRUE
    ) +
    ggplot2::facet_wrap(ggplot2::vars(.data$population)) +
    colours +
    ggplot2::scale_fill_manual(values = "grey80", name = NULL, guide = ggplot2::guide_legend(order = 2)) +
    ggplot2::scale_shape_manual(values = 23, name = NULL, guide = ggplot2::guide_legend(order = 3)) +
    ggplot2::scale_x_continuous(
      limits = c(lowest(table$recall), 1), expand = ggplot2::expansion(add = 0.015), labels = format_level
    ) +
    ggplot2::scale_y_continuous(limits = c(lowest(table$precision), 1), expand = ggplot2::expansion(add = 0.015)) +
    ggplot2::labs(
      title = "Precision and recall over thresholds (Fig. 13)", x = "Recall (0 to 1)", y = "Precision (0 to 1)"
    ) +
    theme_report()
  long <- tidyr::pivot_longer(
    table[c("population", "level", "threshold", "recall", "precision")], c("recall", "precision"), names_to = "measure"
  )
  by_threshold <- ggplot2::ggplot(
    long[!is.na(long$value), ],
    ggplot2::aes(x = .data$threshold, y = .data$value, colour = .data$level, linetype = .data$measure)
  ) +
    ggplot2::geom_line(linewidth = 0.6) +
    ggplot2::facet_wrap(ggplot2::vars(.data$population)) +
    colours +
    ggplot2::scale_linetype_manual(values = c(recall = "solid", precision = "22"), name = NULL) +
    ggplot2::scale_x_continuous(breaks = seq(0, 1, 0.2), limits = c(0, 1)) +
    ggplot2::scale_y_continuous(limits = c(lowest(long$value), 1), expand = ggplot2::expansion(add = 0.015)) +
    ggplot2::labs(
      x = "Threshold (probability)", y = "Share (0 to 1)",
      caption = figure_caption(label, "Arrows: rising threshold.", describe_construction(table))
    ) +
    theme_report()
  patchwork::wrap_plots(plane, by_threshold, ncol = 1, heights = c(1.25, 1)) & ggplot2::theme(
    panel.spacing = grid::unit(12, "pt")
  )
}

#' Says what is true by construction in a table of detections.
#'
#' @param table Data frame with `level`, `population`, `precision_by_construction`.
#' @return String, "" if nothing is.
describe_construction <- function(table) {
  constructed <- unique(table$population[table$precision_by_construction])
  if (length(constructed) == 0) {
    return("")
  }
  paste0("Patient-level precision is 1 by construction: ", paste(describe_code(constructed), collapse = "; "), ".")
}

#' Detection of reference lesions by size.
#'
#' @param table Data frame as of [compute_detection_curves()].
#' @param label Cohort label.
#' @return A ggplot.
plot_detection_curves <- function(table, label) {
  counts <- unique(table[c("size", "n")])
  strip <- stats::setNames(sprintf("%s (n = %d)", counts$size, counts$n), counts$size)
  ggplot2::ggplot(
    table, ggplot2::aes(x = .data$threshold, y = .data$proportion, colour = .data$size, fill = .data$size)
  ) +
    ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$low, ymax = .data$high), alpha = 0.15, colour = NA) +
    ggplot2::geom_line(linewidth = 0.7) +
    ggplot2::geom_point(size = 1.4) +
    ggplot2::facet_wrap(ggplot2::vars(.data$size), labeller = ggplot2::as_labeller(strip)) +
    ggplot2::scale_colour_manual(values = figure_colours()$size, guide = "none") +
    ggplot2::scale_fill_manual(values = figure_colours()$size, guide = "none") +
    ggplot2::scale_x_continuous(breaks = seq(0, 1, 0.2), limits = c(0, 1)) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Detected reference lesions by diameter", x = "Threshold (probability)", y = "Share detected (0 to 1)",
      caption = figure_caption(
        label, "n: reference lesions. Bands: 95 % Wilson intervals, n divided by the design effect."
      )
    ) +
    theme_report()
}
