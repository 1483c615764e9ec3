#' The one registry of outputs: what is estimated, and the tables, figures and files that come of it.
#'
#' An output is added here and nowhere else: analysis, files and report loop over this list. Estimators run in this
#' order, and may read what stands before them by [get_estimate()]; tables and plots may read everything. The report
#' shows the outputs of a chapter in this order, too.
#'
#' @return List as of [new_output()]; names are those of the outputs.
list_outputs <- function() {
  name_outputs(
    c(
      list_cohort_outputs(), list_segmentation_outputs(), list_detection_outputs(), list_feature_outputs(),
      list_category_outputs(), list_baseline_outputs(), list_end_to_end_outputs(), list_by_segmentation_outputs(),
      list_draw_outputs(), list_yardstick_outputs(), list_training_outputs(), list_diagram_outputs(),
      list_claim_outputs(), list_comparison_outputs()
    )
  )
}

#' One output.
#'
#' @param name Its one name, by which the report and other outputs ask for it.
#' @param estimate Function of the analysis so far ([run_analysis()]) that gives a data frame or a list; NULL where the
#'   results do not give the output.
#' @param paper_item Table, figure or section of the article that it stands for; "" if the article has none.
#' @param csv Name of its file, without ending; NULL for none. The estimate must then be a data frame. An estimate
#'   without a row has no file.
#' @param csv_folder Folder of that file within the report's.
#' @param table Function of the estimate and the analysis that gives a report table ([new_report_table()]); NULL for
#'   none.
#' @param figure Name of the figure's files, without ending; NULL for none.
#' @param plot Function of the estimate and the analysis that gives the figure, as of [draw()], [draw_if()] or
#'   [embed()]; NULL where it is to be passed over in silence.
#' @param figure_first Whether the report shows the figure above the table.
#' @param label Function of the analysis that gives the label of the output's cohort; NULL if it is of the run's.
#' @param chapter Chapter of the report that shows it; NULL if the report does not.
#' @return List of the arguments.
new_output <- function(name, estimate, paper_item = "", csv = NULL, csv_folder = "tables", table = NULL,
                       figure = NULL, plot = NULL, figure_first = FALSE, label = NULL, chapter = NULL) {
  stopifnot(is.null(figure) == is.null(plot))
  list(
    name = name, estimate = estimate, paper_item = paper_item, csv = csv, csv_folder = csv_folder, table = table,
    figure = figure, plot = plot, figure_first = figure_first, label = label, chapter = chapter
  )
}

#' The label of an output's cohort.
#' @param output As of [new_output()].
#' @param analysis List with `label`, the run's.
get_label <- function(output, analysis) {
  if (is.null(output$label)) analysis$label else output$label(analysis)
}

#' Names the outputs of a list; no two may share a name or a file.
#' @param outputs List as of [new_output()].
name_outputs <- function(outputs) {
  for (field in c("name", "csv", "figure")) {
    values <- unlist(lapply(outputs, `[[`, field))
    stopifnot(!anyDuplicated(values))
  }
  stats::setNames(outputs, vapply(outputs, `[[`, "", "name"))
}

#' An output of the registry.
#'
#' @param outputs Registry as of [list_outputs()].
#' @param name Name; it is an error if there is none of that name.
find_output <- function(outputs, name) {
  if (!name %in% names(outputs)) {
    stop("there is no output ", name, " in R/outputs.R")
  }
  outputs[[name]]
}
