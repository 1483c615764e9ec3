#' Outputs of the whole automatic path, with what it finds where nothing is; one line a segmentation variant.
#' @return List as of [new_output()].
list_end_to_end_outputs <- function() {
  categories <- function(analysis) rev(levels(analysis$results$lesions$category_ref))
  main <- function(analysis) find_main_variant(analysis$results$variants)
  list(
    new_output("end_to_end_correct", function(analysis) lapply(analysis$by_segmentation, collect_end_to_end)),
    new_output(
      "automatic_path", function(analysis) {
        correct <- get_estimate(analysis, "end_to_end_correct")
        rows <- lapply(names(analysis$by_segmentation), function(name) {
          found <- compute_automatic_path(
            analysis$by_segmentation[[name]], correct[[name]], main(analysis), analysis$weights
          )
          if (NROW(found) > 0) cbind(segmentation = name, found)
        })
        do.call(rbind, rows)
      },
      csv = "automatic_path",
      table = function(rows, analysis) tabulate_automatic_path(rows, main(analysis), categories(analysis)),
      chapter = "end_to_end"
    ),
    new_output(
      "free_response", function(analysis) bind_segmentations(analysis$by_segmentation, compute_free_response),
      csv = "free_response", figure = "figure_free_response",
      plot = function(curves, analysis) {
        chosen <- bind_segmentations(
          analysis$by_segmentation, function(results) compute_overlap_detection(results, analysis$weights)
        )
        draw(
          plot_free_response(curves, chosen, analysis$label),
          "How many false lesions each detected one costs, over thresholds.",
          "Recall of lesions against false lesions a patient for each segmentation variant and rule of overlap", 8.5, 4,
          curves
        )
      },
      chapter = "end_to_end"
    ),
    new_output(
      "false_lesions", function(analysis) {
        bind_segmentations(
          analysis$by_segmentation, function(results) count_false_by_finding(results, main(analysis), analysis$weights)
        )
      },
      csv = "false_lesions", table = function(rows, analysis) tabulate_false_lesions(rows, categories(analysis)),
      chapter = "end_to_end"
    ),
    new_output(
      "end_to_end", function(analysis) compute_end_to_end(get_estimate(analysis, "end_to_end_correct")),
      csv = "end_to_end", table = function(rows, analysis) tabulate_end_to_end(rows, categories(analysis)[1]),
      chapter = "end_to_end"
    ),
    new_output(
      "end_to_end_differences", function(analysis) {
        compute_end_to_end_differences(
          get_estimate(analysis, "end_to_end_correct"), main(analysis), analysis$weights
        )
      },
      csv = "end_to_end_differences",
      table = function(rows, analysis) tabulate_end_to_end_pairs(rows, categories(analysis)[1]),
      chapter = "end_to_end"
    )
  )
}
