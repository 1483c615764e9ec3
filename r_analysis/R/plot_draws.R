#' Average Dice and lesion recall against how far a phase was moved, in space or in time.
#'
#' @param rows Rows of [compute_draw_conditions()] that have an amount.
#' @param segmentations Names of the run's segmentation variants, the article's own first.
#' @param label Cohort label.
#' @return A ggplot.
plot_draw_curves <- function(rows, segmentations, label) {
  titles <- c(
    arterial_moved = "Arterial phase moved (mm)", portal_venous_moved = "Portal venous phase moved (mm)",
    arterial_later = "Arterial phase later (s)"
  )
  measures <- c(average = "Average Dice (0 to 1)", recall = "Lesion recall (0 to 1)")
  parts <- lapply(names(measures), function(measure) {
    columns <- paste0(measure, c("", "_low", "_high"))
    data.frame(
      rows[c("segmentation", "amount")], panel = factor(titles[rows$condition], titles),
      measure = factor(measures[[measure]], measures), stats::setNames(rows[columns], c("value", "low", "high"))
    )
  })
  curves <- do.call(rbind, parts)
  colours <- colour_segmentations(segmentations)
  shown <- unique(curves$segmentation)
  ggplot2::ggplot(
    curves, ggplot2::aes(x = .data$amount, y = .data$value, colour = .data$segmentation, fill = .data$segmentation)
  ) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linetype = "22") +
    # Of very few patients there is no interval, and sometimes no value.
    ggplot2::geom_ribbon(
      ggplot2::aes(ymin = .data$low, ymax = .data$high), curves[!is.na(curves$low), ], alpha = 0.15, colour = NA
    ) +
    ggplot2::geom_line(data = curves[!is.na(curves$value), ], linewidth = 0.8) +
    ggplot2::geom_point(data = curves[!is.na(curves$value), ], size = 1.8) +
    ggplot2::facet_grid(
      ggplot2::vars(.data$measure), ggplot2::vars(.data$panel), scales = "free_x", switch = "both"
    ) +
    ggplot2::scale_colour_manual(values = colours, breaks = shown, name = NULL) +
    ggplot2::scale_fill_manual(values = colours, breaks = shown, name = NULL) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Phases moved, in space and in time", x = NULL, y = NULL,
      caption = figure_caption(
        label, "Fresh draw,", list_range(rows$patients), "patients,", list_range(rows$with_lesion), "with a lesion,",
        "the same at every point of a curve; dashed: as acquired; negative: earlier. Bands: 95 %, point by point",
        "(Dice: patient bootstrap; recall: Wilson, n divided by the design effect). Paired differences stand in the",
        "table."
      )
    ) +
    theme_report() +
    ggplot2::theme(
      strip.placement = "outside", strip.background = ggplot2::element_blank(),
      strip.text = ggplot2::element_text(size = 10), panel.spacing = grid::unit(12, "pt")
    )
}
