#' Everything that the report shows, estimated in the order of the registry.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param paper Data frame as of [read_paper_results()].
#' @param pictures Named character vector as of [find_pictures()].
#' @param outputs Registry as of [list_outputs()].
#' @param yardsticks Data frame as of [read_yardsticks()], which is of no run; NULL for none.
#' @return List of `paper`, `pictures`, `yardsticks`, `outputs`, `label` (cohort), `weights` as of
#'   [draw_patient_weights()], `by_segmentation` (the results as of [select_segmentation()], by the name of the
#'   segmentation variant), `results` (those of the article's own variant, which alone stand beside its numbers and
#'   decide its claims), and `estimates`: what each output's estimator gave, by the name of the output.
run_analysis <- function(results, paper, pictures = character(), outputs = list_outputs(), yardsticks = NULL) {
  segmentations <- list_segmentations(results)
  by_segmentation <- lapply(segmentations, function(name) select_segmentation(results, name))
  names(by_segmentation) <- segmentations
  analysis <- list(
    label = cohort_label(results$run), results = by_segmentation[[find_paper_segmentation(results$variants)]],
    by_segmentation = by_segmentation, paper = paper, pictures = pictures, outputs = outputs,
    yardsticks = yardsticks, weights = draw_patient_weights(results$patients), estimates = list()
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
