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
    )
  )
}
