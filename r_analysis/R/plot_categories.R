#' Confusion matrices (Figs. 14 to 16): reference category in rows, predicted in columns.
#'
#' Over-categorization is above the diagonal (top right), as in the article.
#'
#' @param confusion Data frame as of [compute_confusion()], the rows to show.
#' @param facet Column whose values get a panel each.
#' @param title Title.
#' @param label Cohort label.
#' @param columns Panels side by side.
#' @return A ggplot.
plot_confusion <- function(confusion, facet, title, label, columns = 3) {
  confusion$category_ref <- factor(confusion$category_ref, rev(sort(unique(confusion$category_ref))))
  confusion$panel <- factor(describe_code(confusion[[facet]]), unique(describe_code(confusion[[facet]])))
  confusion$cell <- sprintf("%d\n(%.0f %%)", confusion$n, 100 * confusion$row_share)
  confusion$cell[is.na(confusion$row_share)] <- "0"
  ggplot2::ggplot(confusion, ggplot2::aes(x = .data$category_pred, y = .data$category_ref)) +
    ggplot2::geom_tile(ggplot2::aes(fill = 100 * .data$row_share), colour = "white", linewidth = 0.8) +
    ggplot2::geom_text(ggplot2::aes(label = .data$cell), size = 3.2, lineheight = 0.95) +
    ggplot2::facet_wrap(ggplot2::vars(.data$panel), scales = "free_x", ncol = columns) +
    # Black text stays legible on every shade up to this one.
    ggplot2::scale_fill_gradient(
      low = "white", high = okabe_ito("skyblue"), limits = c(0, 100), na.value = "grey90", guide = "none"
    ) +
    ggplot2::labs(
      title = title, x = "Predicted category", y = "Reference category",
      caption = figure_caption(
        label, "Number of lesions, and share of the reference category (the row).",
        "Above the diagonal: over-categorized."
      )
    ) +
    theme_report() +
    ggplot2::theme(panel.grid = ggplot2::element_blank())
}

#' Accuracies of all variants and ways of scoring, the printed ones, and what needs no image.
#'
#' @param table Data frame as of [compute_accuracy_table()].
#' @param baselines Data frame as of [compute_baselines()] and [compute_category_ceiling()].
#' @param paper Data frame `level`, `number`, `low`, `high`: printed accuracies, in percent.
#' @param label Cohort label.
#' @return A ggplot.
plot_accuracy <- function(table, baselines, paper, label) {
  variants <- rev(unique(c(table$variant, paper$level)))
  ours <- data.frame(
    variant = table$variant, source = table$scoring, value = 100 * table$proportion, low = 100 * table$low,
    high = 100 * table$high
  )
  printed <- data.frame(
    variant = paper$level, source = "paper", value = paper$number, low = paper$low, high = paper$high
  )
  rows <- rbind(ours, printed)
  rows$variant <- factor(rows$variant, variants)
  # The legend lists from top to bottom what a panel shows from top to bottom.
  rows$source <- factor(rows$source, c("paper", rev(names(SCORINGS))))
  colours <- c(figure_colours()$scoring, paper = figure_colours()$paper)
  words <- function(code) ifelse(code == "paper", "printed in the article (Wilson, n inferred)", describe_code(code))
  shapes <- c(reference_regions = 16, detected_lesions = 17, end_to_end = 15, paper = 23)
  breaks <- c(names(SCORINGS), "paper")
  ggplot2::ggplot(rows, ggplot2::aes(x = .data$value, y = .data$variant, colour = .data$source, shape = .data$source)) +
    ggplot2::geom_vline(
      data = baselines, ggplot2::aes(xintercept = 100 * .data$proportion, linetype = .data$baseline), colour = "grey40"
    ) +
    ggplot2::geom_pointrange(
      ggplot2::aes(xmin = .data$low, xmax = .data$high), position = ggplot2::position_dodge(width = 0.7),
      fill = "white", linewidth = 0.5, size = 0.5
    ) +
    ggplot2::scale_colour_manual(values = colours, breaks = breaks, labels = words, name = NULL) +
    ggplot2::scale_shape_manual(values = shapes, breaks = breaks, labels = words, name = NULL) +
    ggplot2::scale_linetype_manual(
      values = c(majority = "dotted", size_only = "dashed", rules_on_truth = "longdash"),
      labels = function(code) {
        paste0(ifelse(code == "rules_on_truth", "", "without images: "), describe_code(code))
      },
      name = NULL
    ) +
    ggplot2::scale_x_continuous(limits = c(0, 100), breaks = seq(0, 100, 20), expand = ggplot2::expansion(add = 1)) +
    ggplot2::guides(
      colour = ggplot2::guide_legend(nrow = 2), shape = ggplot2::guide_legend(nrow = 2),
      linetype = ggplot2::guide_legend(nrow = 2)
    ) +
    ggplot2::labs(
      title = "Accuracy of the category (Table 5 and Fig. 15)", x = "Accuracy (%)", y = NULL,
      caption = figure_caption(label, "Ours: 95 % Wilson intervals, n divided by the design effect.")
    ) +
    theme_report()
}

#' The named contrasts, and what the claims need.
#'
#' @param contrasts Data frame as of [compute_contrasts()].
#' @param label Cohort label.
#' @return A ggplot.
plot_contrasts <- function(contrasts, label) {
  names <- gsub(" - ", " \u2212 ", contrasts$contrast)
  contrasts$name <- factor(names, rev(names))
  contrasts$text <- ifelse(
    is.na(contrasts$difference), "not in this run", paste("adjusted p", format_p(contrasts$p_holm))
  )
  shown <- contrasts[!is.na(contrasts$difference), ]
  # A contrast without an interval is shown as a point.
  shown$low <- ifelse(is.na(shown$low), shown$difference, shown$low)
  shown$high <- ifelse(is.na(shown$high), shown$difference, shown$high)
  reach <- max(abs(c(shown$low, shown$high)), 0.1)
  ggplot2::ggplot(contrasts, ggplot2::aes(x = 100 * .data$difference, y = .data$name)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey40", linetype = "dotted") +
    ggplot2::geom_pointrange(
      data = shown, ggplot2::aes(xmin = 100 * .data$low, xmax = 100 * .data$high), colour = okabe_ito("blue")
    ) +
    ggplot2::geom_label(
      ggplot2::aes(x = 115 * reach, label = .data$text), hjust = 0, size = 3.2, fill = "white", label.size = 0
    ) +
    ggplot2::scale_x_continuous(limits = 100 * reach * c(-1.05, 1.75), breaks = function(limits) {
      marks <- pretty(100 * reach * c(-1, 1), 5)
      marks[abs(marks) <= 105 * reach]
    }) +
    ggplot2::scale_y_discrete(drop = FALSE) +
    ggplot2::labs(
      title = "Contrasts of category accuracy, reference regions", x = "Difference of accuracies (percentage points)",
      y = NULL,
      caption = figure_caption(
        label, "95 % of the patient bootstrap; p: patient-level sign flips, Holm over the",
        format_count(nrow(contrasts)), "contrasts."
      )
    ) +
    theme_report()
}
