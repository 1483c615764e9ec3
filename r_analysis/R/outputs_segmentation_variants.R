#' Name of the chapter that only a report on several segmentation variants has.
SEGMENTATION_CHAPTER <- "segmentation_variants"

#' Whether the report has the chapter on segmentation variants: the run has more than the article's own.
#' @param analysis List with `by_segmentation`.
has_segmentation_chapter <- function(analysis) {
  length(analysis$by_segmentation) > 1
}

#' Outputs that set the segmentation variants of a run beside one another; without an estimate where there is only one.
#' @return List as of [new_output()].
list_by_segmentation_outputs <- function() {
  # Estimators of this chapter are asked only where there is something to set beside one another.
  if_several <- function(estimate) {
    function(analysis) if (has_segmentation_chapter(analysis)) estimate(analysis)
  }
  highest <- function(analysis) rev(levels(analysis$results$lesions$category_ref))[1]
  list(
    new_output(
      "segmentation_dice", if_several(function(analysis) {
        compare_segmentation_dice(analysis$by_segmentation, analysis$weights)
      }),
      csv = "segmentation_variants_dice", table = function(rows, analysis) tabulate_segmentation_dice(rows),
      figure = "figure_segmentation_variants_dice",
      plot = function(rows, analysis) {
        if (!is.null(rows)) draw(
          plot_segmentation_dice(rows, analysis$label), "Average Dice of each segmentation variant by threshold.",
          "Curves of the average Dice of each segmentation variant by threshold", 7, 4.2, rows
        )
      },
      chapter = SEGMENTATION_CHAPTER
    ),
    new_output(
      "segmentation_detection", if_several(function(analysis) {
        bind_segmentations(
          analysis$by_segmentation, function(results) compute_overlap_detection(results, analysis$weights)
        )
      }),
      csv = "segmentation_variants_detection", table = function(rows, analysis) tabulate_overlap_detection(rows),
      chapter = SEGMENTATION_CHAPTER
    ),
    new_output(
      "segmentation_recall_by_size", if_several(function(analysis) {
        bind_segmentations(analysis$by_segmentation, compute_overlap_recall_by_size)
      }),
      csv = "segmentation_variants_recall_by_size", table = function(rows, analysis) tabulate_overlap_recall(rows),
      chapter = SEGMENTATION_CHAPTER
    ),
    new_output(
      "free_response", if_several(function(analysis) {
        bind_segmentations(analysis$by_segmentation, compute_free_response)
      }),
      csv = "free_response", figure = "figure_free_response",
      plot = function(curves, analysis) {
        if (!is.null(curves)) draw(
          plot_free_response(curves, get_estimate(analysis, "segmentation_detection"), analysis$label),
          "How many false lesions each detected one costs, over thresholds.",
          "Recall of lesions against false lesions a patient for each segmentation variant and rule of overlap", 8.5, 4,
          curves
        )
      },
      chapter = SEGMENTATION_CHAPTER
    ),
    new_output(
      "end_to_end_correct", if_several(function(analysis) lapply(analysis$by_segmentation, collect_end_to_end))
    ),
    new_output(
      "end_to_end", if_several(function(analysis) compute_end_to_end(get_estimate(analysis, "end_to_end_correct"))),
      csv = "end_to_end", table = function(rows, analysis) tabulate_end_to_end(rows, highest(analysis)),
      chapter = SEGMENTATION_CHAPTER
    ),
    new_output(
      "end_to_end_differences", if_several(function(analysis) {
        compute_end_to_end_differences(
          get_estimate(analysis, "end_to_end_correct"), find_main_variant(analysis$results$variants), analysis$weights
        )
      }),
      csv = "end_to_end_differences",
      table = function(rows, analysis) tabulate_end_to_end_pairs(rows, highest(analysis)),
      chapter = SEGMENTATION_CHAPTER
    )
  )
}
