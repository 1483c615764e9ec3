#' Name of the chapter that a report has where there is a table of other networks.
YARDSTICK_CHAPTER <- "other_networks"

#' Whether the report has the chapter on other networks and more minutes.
#' @param analysis List with `yardsticks`.
has_yardstick_chapter <- function(analysis) {
  NROW(analysis$yardsticks) > 0
}

#' Outputs that set other networks beside this project's, and more minutes; of a cohort of their own, which their label
#' says. Without an estimate where there is no such table.
#' @return List as of [new_output()].
list_yardstick_outputs <- function() {
  if_there <- function(estimate) function(analysis) if (has_yardstick_chapter(analysis)) estimate(analysis)
  label <- function(analysis) label_yardsticks(analysis$yardsticks)
  weights <- function(analysis) get_estimate(analysis, "yardstick_weights")
  list(
    new_output("yardstick_weights", if_there(function(analysis) draw_yardstick_weights(analysis$yardsticks))),
    new_output(
      "yardsticks", if_there(function(analysis) compute_yardstick_dice(analysis$yardsticks, weights(analysis))),
      csv = "yardsticks", table = function(rows, analysis) tabulate_yardsticks(rows), label = label,
      chapter = YARDSTICK_CHAPTER
    ),
    new_output(
      "yardstick_difference", if_there(function(analysis) {
        compare_with_plain_unet(analysis$yardsticks, weights(analysis))
      }),
      csv = "yardstick_difference", table = function(rows, analysis) tabulate_yardstick_pairs(rows), label = label,
      chapter = YARDSTICK_CHAPTER
    ),
    new_output(
      "yardstick_curve", if_there(function(analysis) select_yardstick_curve(get_estimate(analysis, "yardsticks"))),
      figure = "figure_yardsticks",
      plot = function(rows, analysis) {
        if (!is.null(rows)) draw(
          plot_yardsticks(rows, label(analysis)),
          "Average Dice of this network over minutes of training, and of the others where they were trained.",
          "Curves of the average Dice over minutes of one core for each segmentation variant, with other networks", 7,
          4.4, rows
        )
      },
      label = label, chapter = YARDSTICK_CHAPTER
    )
  )
}
