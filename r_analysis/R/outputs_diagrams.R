#' Outputs of architecture and workflow: Figs. 1 to 3 and 5 to 7, the segmentation network and its attention.
#' @return List as of [new_output()].
list_diagram_outputs <- function() {
  diagrams <- lapply(names(DIAGRAMS), function(name) {
    spec <- DIAGRAMS[[name]]
    new_output(
      name, function(analysis) collect_diagram(analysis$results, name, analysis$paper),
      paper_item = spec$paper_item, figure = spec$file,
      plot = function(diagram, analysis) if (!is.null(diagram)) draw_diagram(diagram, spec, analysis$label),
      chapter = "architecture"
    )
  })
  c(diagrams, list(new_output(
    "reader", function(analysis) NULL,
    paper_item = "Fig. 7", figure = "figure_07_reader",
    plot = function(nothing, analysis) {
      if ("reader" %in% names(analysis$pictures)) {
        embed(
          analysis$pictures, "reader",
          "The reader (the article's Fig. 7 shows its plug-in). Research use only.",
          "Screenshot of the reader with a study", 9
        )
      }
    },
    chapter = "architecture"
  )))
}
