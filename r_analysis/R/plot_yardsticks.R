#' How far the points of other networks are moved to the right, each from the one before, as a factor of the minutes.
YARDSTICK_SHIFT <- 1.06

#' Average Dice over core-minutes.
#'
#' @param rows Data frame as of [select_yardstick_curve()].
#' @param label Cohort label.
#' @return A ggplot.
plot_yardsticks <- function(rows, label) {
  colours <- colour_segmentations(unique(rows$segmentation))
  networks <- levels(droplevels(rows$network))
  rows$segmentation <- factor(rows$segmentation, names(colours))
  # One place for each other network and variant; this network, the first, stays where it is.
  place <- (match(rows$network, networks) - 2) * length(colours) + as.integer(rows$segmentation)
  rows$at <- rows$core_minutes * YARDSTICK_SHIFT^pmax(place, 0)
  rows$network <- factor(describe_network(rows$network), describe_network(networks))
  own <- rows[rows$network == describe_network(OWN_NETWORK), ]
  ggplot2::ggplot(rows, ggplot2::aes(x = .data$at, y = .data$value, colour = .data$segmentation)) +
    ggplot2::geom_ribbon(
      data = own, ggplot2::aes(ymin = .data$low, ymax = .data$high, fill = .data$segmentation), alpha = 0.15,
      colour = NA
    ) +
    ggplot2::geom_line(data = own, linewidth = 0.8) +
    ggplot2::geom_linerange(
      data = rows[rows$network != describe_network(OWN_NETWORK), ],
      ggplot2::aes(ymin = .data$low, ymax = .data$high), linewidth = 0.5
    ) +
    ggplot2::geom_point(ggplot2::aes(shape = .data$network), size = 2.2, fill = "white") +
    ggplot2::scale_colour_manual(values = colours, name = NULL, aesthetics = c("colour", "fill")) +
    ggplot2::scale_shape_manual(values = c(16, 24, 22)[seq_along(networks)], name = NULL) +
    ggplot2::scale_x_log10(breaks = sort(unique(rows$core_minutes))) +
    ggplot2::scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.2), expand = ggplot2::expansion(add = 0.02)) +
    ggplot2::labs(
      title = "Average Dice after so many minutes of one core", x = "Minutes of one core (logarithmic)",
      y = "Dice (0 to 1)",
      caption = figure_caption(
        label, "Test folds", paste0(rows$test_folds[1], "."), "Bands and bars: 95 % of the patient bootstrap.",
        if (length(networks) > 1) "Points of other networks are moved a little to the right."
      )
    ) +
    theme_report()
}
