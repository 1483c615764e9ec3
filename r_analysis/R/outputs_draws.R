#' Name of the chapter that only a report on a virtual cohort with further draws has.
DRAW_CHAPTER <- "draws"

#' Whether the report has the chapter on further draws: the cohort is virtual, and its results have them.
#' @param analysis List with `label` and `results`.
has_draw_chapter <- function(analysis) {
  is_virtual_cohort(analysis$label) && !is.null(analysis$results$draws)
}

#' Outputs of the further draws of the virtual cohort; without an estimate where there are none.
#' @return List as of [new_output()].
list_draw_outputs <- function() {
  of_draws <- function(estimate) {
    function(analysis) {
      rows <- get_estimate(analysis, "draw_rows")
      if (!is.null(rows)) estimate(rows, analysis)
    }
  }
  list(
    new_output(
      "draw_rows", function(analysis) if (has_draw_chapter(analysis)) collect_draws(analysis$by_segmentation)
    ),
    new_output("draw_weights", of_draws(function(rows, analysis) draw_weights_of_draws(rows))),
    new_output(
      "draw_gaps", of_draws(function(rows, analysis) compute_draw_gaps(rows, get_estimate(analysis, "draw_weights"))),
      csv = "draws_gaps", table = function(gaps, analysis) if (!is.null(gaps)) tabulate_draw_gaps(gaps),
      chapter = DRAW_CHAPTER
    ),
    new_output(
      "draw_table", of_draws(function(rows, analysis) compute_draw_table(rows, get_estimate(analysis, "draw_weights"))),
      csv = "draws", table = function(table, analysis) if (!is.null(table)) tabulate_draws(table),
      chapter = DRAW_CHAPTER
    ),
    new_output(
      "draw_conditions", of_draws(function(rows, analysis) compute_draw_conditions(rows)),
      csv = "draws_conditions", figure = "figure_draws",
      table = function(rows, analysis) {
        tabulate_draw_conditions(
          rows[!is_missing_phase(rows), ],
          "Patients of the fresh draw with a phase moved, or with the arterial phase at another time."
        )
      },
      plot = function(rows, analysis) {
        curves <- rows[!is_missing_phase(rows), ]
        if (NROW(curves) > 0) draw(
          plot_draw_curves(curves, names(analysis$by_segmentation), analysis$label),
          "Patients of the fresh draw with a phase moved, or with the arterial phase earlier or later.",
          "Average Dice and lesion recall against the distance or the time by which a phase was moved", 9, 5.4, curves
        )
      },
      figure_first = TRUE, chapter = DRAW_CHAPTER
    ),
    new_output(
      "draw_missing", function(analysis) {
        rows <- get_estimate(analysis, "draw_conditions")
        rows[is_missing_phase(rows), ]
      },
      table = function(rows, analysis) {
        tabulate_draw_conditions(rows, "The same patients without one of the phases.")
      },
      chapter = DRAW_CHAPTER
    )
  )
}
