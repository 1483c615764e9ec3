#' A diagram: boxes at their places, and arrows between them.
#'
#' @param nodes,edges Data frames as diagram_nodes.csv and diagram_edges.csv, of one diagram.
#' @param spec Element of `DIAGRAMS`.
#' @param caption Caption of the figure.
#' @return A ggplot, to be drawn at the size of [measure_diagram()].
plot_diagram <- function(nodes, edges, spec, caption) {
  half <- spec$box / spec$pitch / 2
  texts <- write_boxes(nodes, spec)
  arrows <- place_arrows(nodes, edges, half, compute_bulge(spec))
  limits <- limit_diagram(nodes, arrows, spec)
  kinds <- unique(as.character(nodes$kind))
  ways <- intersect(names(figure_colours()$edge), arrows$kind)
  ggplot2::ggplot(nodes) +
    ggplot2::geom_path(
      data = arrows, ggplot2::aes(
        x = .data$x, y = .data$y, group = .data$arrow, colour = .data$kind, linetype = .data$kind
      ),
      linewidth = 0.45, arrow = grid::arrow(length = grid::unit(5, "pt"), type = "closed"), key_glyph = "path"
    ) +
    ggplot2::geom_tile(
      ggplot2::aes(x = .data$x, y = .data$y, fill = .data$kind), width = 2 * half[1], height = 2 * half[2],
      colour = "grey30", linewidth = 0.3
    ) +
    ggplot2::geom_text(
      data = texts, ggplot2::aes(
        x = .data$x, y = .data$y, label = .data$text, fontface = .data$face, size = .data$size, hjust = .data$hjust
      )
    ) +
    ggplot2::scale_size_identity() +
    ggplot2::scale_fill_manual(
      values = figure_colours()$node, breaks = intersect(names(figure_colours()$node), kinds),
      labels = describe_diagram,
      name = NULL, guide = if (length(kinds) > 1) ggplot2::guide_legend(order = 1) else "none"
    ) +
    ggplot2::scale_colour_manual(
      values = figure_colours()$edge, breaks = ways, labels = describe_diagram, name = NULL,
      guide = if (length(ways) > 1) "legend" else "none"
    ) +
    ggplot2::scale_linetype_manual(
      values = c(flow = "solid", down = "solid", up = "solid", skip = "22", reads = "42"), breaks = ways,
      labels = describe_diagram, name = NULL, guide = if (length(ways) > 1) "legend" else "none"
    ) +
    ggplot2::coord_cartesian(xlim = limits$x, ylim = limits$y, expand = FALSE) +
    ggplot2::labs(title = spec$title, caption = caption) +
    theme_report() +
    theme_without_axes()
}

#' Words for the kinds of boxes and arrows.
#' @param kind Character vector.
describe_diagram <- function(kind) {
  words <- c(
    data = "data", step = "step", operation = "operation", encoder = "network or encoder", decoder = "decoder",
    attention = "attention", head = "head or feature", rule = "rules and category", flow = "result goes to",
    down = "lower resolution", up = "higher resolution", skip = "skip connection", reads = "is read from it"
  )
  unname(words[kind])
}

#' Size of a diagram with its title, caption and keys.
#'
#' @param nodes,edges,spec,caption As in [plot_diagram()].
#' @return Width and height in inches.
measure_diagram <- function(nodes, edges, spec, caption) {
  half <- spec$box / spec$pitch / 2
  limits <- limit_diagram(nodes, place_arrows(nodes, edges, half, compute_bulge(spec)), spec)
  keys <- (length(unique(nodes$kind)) > 1) + (length(unique(edges$kind)) > 1)
  lines <- lengths(strsplit(caption, "\n", fixed = TRUE))
  panel <- c(diff(limits$x), diff(limits$y)) * spec$pitch
  c(max(panel[1] + 0.2, 7), panel[2] + 0.45 + 0.14 * lines + 0.3 * keys)
}

#' Limits of the axes: all boxes and arrows with some air, and what stands beside boxes.
#' @param nodes,arrows,spec As in [plot_diagram()].
limit_diagram <- function(nodes, arrows, spec) {
  half <- spec$box / spec$pitch / 2
  air <- 0.08 / spec$pitch
  list(
    x = range(nodes$x - half[1], nodes$x + half[1], arrows$x) + c(-1, 1) * air[1] -
      c(if (is.null(spec$beside)) 0 else BESIDE / spec$pitch[1], 0),
    y = range(nodes$y - half[2], nodes$y + half[2], arrows$y) + c(-1, 1) * air[2]
  )
}

#' Room for the details that stand at the left of boxes, in inches.
BESIDE <- 1.05

#' Heights of the lines in boxes, in inches, and their sizes in mm as ggplot2 has them; the label's line comes first.
LINES <- list(height = c(0.145, 0.125), size = c(2.9, 2.5), face = c("bold", "plain"))

#' The texts of all boxes, a row each line: the label, below it size, parameters and detail, in the middle of the box.
#'
#' @param nodes Data frame as diagram_nodes.csv.
#' @param spec Element of `DIAGRAMS`.
#' @return Data frame `x`, `y`, `text`, `face`, `size`, `hjust`.
write_boxes <- function(nodes, spec) {
  wrap <- function(text) {
    if (is.na(text)) character() else strwrap(text, spec$wrap)
  }
  rows <- lapply(seq_len(nrow(nodes)), function(i) {
    node <- nodes[i, ]
    is_beside <- !is.null(spec$beside)
    lines <- c(describe_size(node), if (!is_beside) wrap(node$detail))
    if (isTRUE(spec$one_line) && length(lines) > 0) lines <- paste(lines, collapse = ", ")
    texts <- stack_lines(c(node$label, lines), c(1, rep(2, length(lines))), node$x, node$y, 0.5, spec)
    if (is_beside && node$kind %in% spec$beside) {
      beside <- wrap(node$detail)
      left <- node$x - (spec$box[1] / 2 + 0.06) / spec$pitch[1]
      texts <- rbind(texts, stack_lines(beside, rep(2, length(beside)), left, node$y, 1, spec))
    }
    texts
  })
  do.call(rbind, rows)
}

#' Lines below one another, all of them together around the middle.
#'
#' @param lines Character vector.
#' @param style Index in `LINES` of each line.
#' @param x,y Place of the middle.
#' @param hjust 0.5: centred on `x`; 1: ends there.
#' @param spec Element of `DIAGRAMS`.
#' @return Data frame as [write_boxes()].
stack_lines <- function(lines, style, x, y, hjust, spec) {
  height <- LINES$height[style]
  middle <- sum(height) / 2 - cumsum(height) + height / 2
  data.frame(
    x = rep(x, length(lines)), y = y + middle / spec$pitch[2], text = lines, face = LINES$face[style],
    size = LINES$size[style], hjust = rep(hjust, length(lines))
  )
}

#' Size and parameters of a part, a line each.
#' @param node One row of diagram_nodes.csv.
describe_size <- function(node) {
  sides <- stats::na.omit(c(node$rows_px, node$columns_px, node$channels))
  size <- if (length(sides) == 1) {
    paste(sides, if (sides == 1) "value" else "values")
  } else if (length(sides) > 0) {
    paste(sides, collapse = " \u00d7 ")
  }
  c(size, if (!is.na(node$parameters) && node$parameters > 0) paste(format_number(node$parameters, 0), "par."))
}

#' How far arrows that go round boxes swing out, as shares of a column and a row.
#' @param spec Element of `DIAGRAMS`.
compute_bulge <- function(spec) {
  bulge <- if (is.null(spec$bulge)) c(0.1, 0.1) else spec$bulge
  list(x = bulge / spec$pitch[1], y = bulge / spec$pitch[2])
}

#' Points of every arrow, from the border of one box to that of the other.
#'
#' An arrow is straight unless a third box stands on its way in the same row or column: then it swings over the row, or
#' past the right of the column, the further the more boxes it passes.
#'
#' @param nodes,edges Data frames as diagram_nodes.csv and diagram_edges.csv, of one diagram.
#' @param half Half the width and height of a box, in columns and rows.
#' @param bulge List as of [compute_bulge()].
#' @return Data frame `arrow`, `x`, `y`, `kind`.
place_arrows <- function(nodes, edges, half, bulge) {
  if (nrow(edges) == 0) {
    return(data.frame(arrow = integer(), x = numeric(), y = numeric(), kind = character()))
  }
  rows <- lapply(seq_len(nrow(edges)), function(i) {
    from <- as.numeric(nodes[match(edges$source[i], nodes$node_id), c("x", "y")])
    to <- as.numeric(nodes[match(edges$target[i], nodes$node_id), c("x", "y")])
    points <- if (is_blocked(nodes, from, to)) swing_round(from, to, half, bulge) else join_borders(from, to, half)
    data.frame(arrow = i, points, kind = as.character(edges$kind[i]))
  })
  do.call(rbind, rows)
}

#' Whether a third box stands between two boxes of a row or a column.
#' @param nodes Data frame `x`, `y`.
#' @param from,to Places (x, y).
is_blocked <- function(nodes, from, to) {
  between <- function(value, a, b) value > min(a, b) & value < max(a, b)
  any(
    (from[2] == to[2] & nodes$y == from[2] & between(nodes$x, from[1], to[1])) |
      (from[1] == to[1] & nodes$x == from[1] & between(nodes$y, from[2], to[2]))
  )
}

#' The straight line between two boxes, from border to border.
#' @param from,to Places (x, y).
#' @param half Half the width and height of a box.
join_borders <- function(from, to, half) {
  way <- to - from
  share <- min(half / abs(way))
  data.frame(x = c(from[1] + share * way[1], to[1] - share * way[1]), y = c(
    from[2] + share * way[2], to[2] - share * way[2]
  ))
}

#' The way over a row, or past the right of a column: steep at both ends, flat between them.
#'
#' Arrows that pass more boxes begin and end nearer to the far sides, so that they lie round one another.
#'
#' @param from,to Places (x, y).
#' @param half Half the width and height of a box.
#' @param bulge List as of [compute_bulge()].
swing_round <- function(from, to, half, bulge) {
  span <- sum(abs(to - from))
  along <- if (from[2] == to[2]) 1 else 2
  across <- 3 - along
  inset <- sign(to[along] - from[along]) * half[along] * max(0.75 - 0.22 * (span - 2), 0.12)
  t <- seq(0, 1, length.out = 61)
  points <- matrix(0, length(t), 2)
  points[, along] <- from[along] + inset + t * (to[along] - from[along] - 2 * inset)
  swing <- bulge[[across]][1] + bulge[[across]][2] * span
  points[, across] <- from[across] + half[across] + swing * (1 - (2 * t - 1)^4)
  data.frame(x = points[, 1], y = points[, 2])
}
