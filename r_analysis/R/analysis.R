#' Everything that the report shows, estimated in the order of the registry.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param paper Data frame as of [read_paper_results()].
#' @param pictures Named character vector as of [find_pictures()].
#' @param outputs Registry as of [list_outputs()].
#' @return List of the arguments, `label` (cohort), `weights` as of [draw_patient_weights()], and `estimates`: what
#'   each output's estimator gave, by the name of the output.
run_analysis <- function(results, paper, pictures = character(), outputs = list_outputs()) {
  analysis <- list(
    label = cohort_label(results$run), results = results, paper = paper, pictures = pictures, outputs = outputs,
    weights = draw_patient_weights(results$patients), estimates = list()
  )
  for (output in outputs) {
    # NULL is an estimate, too: the results do not give this output.
    analysis$estimates[output$name] <- list(output$estimate(analysis))
  }
  analysis
}

#' What the estimator of an output gave.
#'
#' @param analysis List as of [run_analysis()], whole or as far as it has come.
#' @param name Name of the output; it is an error to ask for one that is not registered, or not estimated before.
#' @return Data frame or list; NULL where the results do not give it.
get_estimate <- function(analysis, name) {
  if (!name %in% names(analysis$estimates)) {
    stop("there is no output ", name, " before this one; R/outputs.R gives names and order")
  }
  analysis$estimates[[name]]
}

#' A fact of the run.
#'
#' @param analysis List with `results`.
#' @param key Key in run.csv.
#' @return String; NA if the run does not tell.
get_fact <- function(analysis, key) {
  run <- analysis$results$run
  c(run$value[run$key == key], NA)[1]
}
