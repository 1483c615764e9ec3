#' Sizes of boxes in words, and all parameters together.
#' @param nodes Data frame as diagram_nodes.csv, of one diagram.
describe_totals <- function(nodes) {
  paste0(
    "Boxes: rows \u00d7 columns \u00d7 channels that leave the part, and its parameters (par.); ",
    format_number(sum(nodes$parameters, na.rm = TRUE), 0), " parameters in all."
  )
}

#' The caption of the grid: what all its inner nodes have in common.
#' @param nodes Data frame as diagram_nodes.csv, of one diagram.
describe_grid <- function(nodes) {
  inner <- unique(stats::na.omit(nodes$detail[nodes$kind == "decoder"]))
  paste(
    describe_totals(nodes), if (length(inner) > 0) paste0("A decoder node has ", paste(inner, collapse = " or "), "."),
    if (any(grepl("CBAM", nodes$detail, fixed = TRUE))) "CBAM closes each residual block."
  )
}

#' The caption of the attention layer.
#' @param nodes Data frame as diagram_nodes.csv, of one diagram.
describe_attention <- function(nodes) {
  paste("Above the first product: attention over channels; below it: attention over places.", describe_totals(nodes))
}

#' The diagrams by their name in diagram_nodes.csv: figure of the article, file name, title, texts, the inches between
#' boxes and of a box, and how details are shown.
#'
#' `pitch` and `box`: width and height in inches. `bulge`: how far an arrow that goes round boxes swings out, in inches,
#' and how much further for each box. `beside`: the kind of boxes whose detail stands at their left; other details are
#' then left to the caption. `one_line`: size, parameters and detail share a line. `caption`: function of the boxes;
#' `below`: what the report says below the figure.
DIAGRAMS <- list(
  features_step = list(
    paper_item = "Fig. 1", file = "figure_01_features_step", title = "The step between image and category (Fig. 1)",
    alt = "Above a network from image to category, below the features and the rules between them",
    below = paste(
      "The article's idea (its Fig. 1): features are named before a category is given, so that a reader can follow the",
      "way to it."
    ),
    pitch = c(1.62, 0.82), box = c(1.42, 0.64), wrap = 26,
    caption = function(nodes) {
      "Above: one network gives the category. Below: features first, then rules. par.: parameters."
    }
  ),
  workflow = list(
    paper_item = "Fig. 2", file = "figure_02_workflow", title = "The workflow of a run (Fig. 2)",
    alt = "Stages of the workflow as boxes, with an arrow from each stage to the stages that need it",
    below = "The stages of a run (the article's Fig. 2).",
    pitch = c(4, 0.76), box = c(3.75, 0.54), wrap = 62,
    caption = function(nodes) {
      "An arrow: the stage below needs the one above. A stage is run again when what it depends on has changed."
    }
  ),
  phases = list(
    paper_item = "Fig. 3", file = "figure_03_phases", title = "What is read from which contrast phase (Fig. 3)",
    alt = "Contrast phases above, the features that are read from each below, and the category at the bottom",
    below = paste(
      "The contrast phases (the article's Fig. 3) and what is read from each: the size on the phase that is segmented,",
      "each feature on its own phases."
    ),
    pitch = c(1.32, 1.1), box = c(1.2, 0.62), wrap = 21,
    caption = function(nodes) "Times after injection as the article prints them."
  ),
  pipeline = list(
    paper_item = "Fig. 5", file = "figure_05_pipeline", title = "From DICOM to a LI-RADS category (Fig. 5)",
    alt = "The pipeline's functions below one another, with arrows to the functions that read their results",
    below = "From a study to its categories (the article's Fig. 5).",
    pitch = c(7, 0.72), box = c(6.6, 0.48), wrap = 130, bulge = c(0.1, 0.14),
    caption = function(nodes) {
      "In each box: function, what it is given and gives, what it does. An arrow: the result is read there."
    }
  ),
  unet_plus_plus = list(
    paper_item = "", file = "figure_unet_plus_plus",
    title = "The segmentation network: UNet++ with CBAM in the encoder (section 2.5.1)",
    alt = "Grid of the nodes of UNet++ with their sizes, parameters and dense skip connections",
    below = "The segmentation network. Columns: how many skip connections a node reads; rows: resolution.",
    pitch = c(1.2, 1.05), box = c(0.98, 0.56), wrap = 17, beside = "encoder", bulge = c(0.02, 0.075),
    caption = describe_grid
  ),
  cbam = list(
    paper_item = "", file = "figure_cbam",
    title = "Convolutional block attention: the first CBAM layer of the encoder (section 2.5.1)",
    alt = "Operations of a CBAM layer from top to bottom: channel attention, then spatial attention",
    below = "What one attention layer computes; each closes a residual block of the encoder, before the addition.",
    pitch = c(2.45, 0.56), box = c(2.05, 0.36), wrap = 40, one_line = TRUE, bulge = c(0.16, 0),
    caption = describe_attention
  ),
  multitask = list(
    paper_item = "Fig. 6", file = "figure_06_multitask", title = "The feature network: one trunk, three heads (Fig. 6)",
    alt = "Blocks of the multi-task network below one another, its heads, and the phases that each head is read from",
    below = paste(
      "The feature network (the article's Fig. 6). Images of all phases train one trunk; each feature is read from the",
      "phases that the dashed arrows name."
    ),
    pitch = c(2, 0.72), box = c(1.75, 0.58), wrap = 32,
    caption = describe_totals
  )
)

#' The boxes and arrows of a diagram.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param name Name in `DIAGRAMS`.
#' @param paper Data frame as of [read_paper_results()], whose times stand in the boxes of the phases.
#' @return List `nodes`, `edges`; NULL if the results have none of it.
collect_diagram <- function(results, name, paper) {
  nodes <- results$diagram_nodes
  edges <- results$diagram_edges
  if (is.null(nodes) || is.null(edges) || !name %in% nodes$figure) {
    return(NULL)
  }
  nodes <- nodes[nodes$figure == name, ]
  if (name == "phases") nodes <- add_printed_times(nodes, select_paper(paper, "time after injection"))
  list(nodes = nodes, edges = edges[edges$figure == name, ])
}

#' The figure of a diagram.
#'
#' @param diagram List as of [collect_diagram()].
#' @param spec Element of `DIAGRAMS`.
#' @param label Cohort label.
#' @return List as of [draw()].
draw_diagram <- function(diagram, spec, label) {
  nodes <- diagram$nodes
  edges <- diagram$edges
  caption <- figure_caption(label, spec$caption(nodes))
  size <- measure_diagram(nodes, edges, spec, caption)
  draw(
    plot_diagram(nodes, edges, spec, caption), spec$below, spec$alt, size[1], size[2], tabulate_diagram(nodes, edges)
  )
}

#' Boxes and arrows in one table: `part` says which a row is.
#' @param nodes,edges Data frames as diagram_nodes.csv and diagram_edges.csv, of one diagram.
tabulate_diagram <- function(nodes, edges) {
  dplyr::bind_rows(cbind(part = "box", nodes), if (nrow(edges) > 0) cbind(part = "arrow", edges))
}

#' The printed times of the phases, put before what their boxes say.
#'
#' @param nodes Boxes; those of the phases have the phase as `node_id`.
#' @param timing Data frame `level`, `number`: printed times in seconds ("arterial minimum", ..., "delayed").
#' @return `nodes` with further text in `detail`.
add_printed_times <- function(nodes, timing) {
  at <- function(level) c(timing$number[timing$level == level], NA)[1]
  for (i in seq_len(nrow(nodes))) {
    phase <- gsub("_", " ", nodes$node_id[i], fixed = TRUE)
    times <- stats::na.omit(c(at(paste(phase, "minimum")), at(paste(phase, "maximum")), at(phase)))
    if (length(times) > 0) {
      said <- paste(paste(format_level(times), collapse = "\u2013"), "s (article)")
      nodes$detail[i] <- paste(stats::na.omit(c(said, nodes$detail[i])), collapse = "; ")
    }
  }
  nodes
}

#' What of Figs. 1 to 3 and 5 to 7 this report does not have, and why.
#'
#' @param figures List as of [build_figures()].
#' @return String; empty if nothing is missing.
describe_missing_diagrams <- function(figures) {
  files <- vapply(DIAGRAMS, function(spec) spec$file, character(1))
  lacking <- !files %in% names(figures)
  sentences <- c(
    if (any(lacking)) paste0(
      "Not drawn, because diagram_nodes.csv and diagram_edges.csv of this run have none of it: ",
      paste0(vapply(DIAGRAMS[lacking], function(spec) spec$title, character(1)), collapse = "; "), "."
    ),
    if (!"figure_07_reader" %in% names(figures)) "There is no screenshot of the reader (Fig. 7) beside the analysis."
  )
  paste(sentences, collapse = " ")
}
