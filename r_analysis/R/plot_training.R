#' A metric by epoch, for each stage and variant that has it.
#'
#' @param rows Rows of a metric as of [select_metric()].
#' @param axis Title of the vertical axis.
#' @param title Title of the figure.
#' @param label Cohort label.
#' @return A ggplot.
plot_training <- function(rows, axis, title, label) {
  rows$source <- factor(
    ifelse(startsWith(rows$metric, "val_"), "early-stopping patients", "training"), names(figure_colours()$source)
  )
  rows$panel <- name_training(rows$stage, rows$variant)
  rows$panel <- factor(rows$panel, unique(rows$panel[order(rows$stage, rows$variant)]))
  mean_rows <- rows |>
    dplyr::group_by(.data$panel, .data$source, .data$epoch) |>
    dplyr::summarise(value = mean(.data$value), .groups = "drop")
  ggplot2::ggplot(rows, ggplot2::aes(x = .data$epoch + 1, y = .data$value, colour = .data$source)) +
    ggplot2::geom_line(ggplot2::aes(group = paste(.data$fold, .data$source)), alpha = 0.35, linewidth = 0.3) +
    ggplot2::geom_line(data = mean_rows, linewidth = 0.9) +
    ggplot2::geom_point(data = mean_rows, size = 1.2) +
    ggplot2::facet_wrap(ggplot2::vars(.data$panel), scales = "free", ncol = 3) +
    ggplot2::scale_colour_manual(values = figure_colours()$source, name = NULL) +
    ggplot2::scale_x_continuous(breaks = function(limits) unique(round(pretty(limits, 4)))) +
    ggplot2::labs(
      title = title, x = "Epoch", y = axis,
      caption = figure_caption(label, "Thin: a fold, or a group of folds. Thick: mean of those that reached the epoch.")
    ) +
    theme_report()
}

#' Training stages that each segmentation variant has.
SEGMENTATION_STAGES <- c("start", "finetune")

#' Words for what was trained.
#'
#' @param stage,variant Columns of training_history.csv.
#' @return Character vector: of a characterization the variant, else the stage; where several segmentation variants were
#'   trained, which of them.
name_training <- function(stage, variant) {
  variant <- as.character(variant)
  of_stage <- describe_code(stage)
  of_segmentation <- stage %in% SEGMENTATION_STAGES
  several <- of_segmentation & count_variants(variant[of_segmentation]) > 1
  words <- c(start = "shared start", finetune = "fine-tuning")[as.character(stage)]
  ifelse(stage == "characterization", variant, ifelse(several, paste0(words, ", ", variant), of_stage))
}

#' The rows of a metric that have a value, on training and on early-stopping patients.
#'
#' @param history Data frame as training_history.csv.
#' @param metric Name of the metric, without val_.
#' @return Rows of `history`.
select_metric <- function(history, metric) {
  history[sub("^val_", "", history$metric) == metric & !is.na(history$value), ]
}
