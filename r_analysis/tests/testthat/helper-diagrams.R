#' Made-up diagrams: a small grid like UNet++'s, and a chain of three boxes with a way round for every other one. No
#' cell holds a comma.
make_fixture_diagrams <- function(depth = 3) {
  grid <- expand.grid(i = seq_len(depth) - 1, j = seq_len(depth) - 1)
  grid <- grid[grid$i + grid$j < depth, ]
  name <- function(i, j) sprintf("x%d%d", i, j)
  nodes <- data.frame(
    figure = "unet_plus_plus", node_id = name(grid$i, grid$j), label = name(grid$i, grid$j),
    kind = ifelse(grid$j == 0, "encoder", "decoder"), x = grid$j, y = 0 - grid$i, detail = "2 convolutions",
    rows_px = 32 / 2^grid$i, columns_px = 32 / 2^grid$i, channels = 8 * (grid$i + 1),
    parameters = 1000 * (grid$i + 1) + grid$j
  )
  edges <- do.call(rbind, lapply(which(grid$j > 0), function(row) {
    i <- grid$i[row]
    j <- grid$j[row]
    data.frame(
      figure = "unet_plus_plus", source = c(name(i, seq_len(j) - 1), name(i + 1, j - 1)), target = name(i, j),
      kind = c(rep("skip", j), "up")
    )
  }))
  edges <- rbind(edges, data.frame(
    figure = "unet_plus_plus", source = name(seq_len(depth - 1) - 1, 0), target = name(seq_len(depth - 1), 0),
    kind = "down"
  ))
  others <- setdiff(schema_levels(test_schema(), "diagram_nodes.csv", "figure"), "unet_plus_plus")
  chain <- function(figure) {
    data.frame(
      figure, node_id = c("first", "second", "third"), label = c("first", "second", "third"),
      kind = c("data", "step", "rule"), x = 0, y = c(0, -1, -2), detail = c(NA, "made up for tests", NA), rows_px = NA,
      columns_px = NA, channels = NA, parameters = NA
    )
  }
  ways <- function(figure) {
    data.frame(
      figure, source = c("first", "second", "first"), target = c("second", "third", "third"),
      kind = c("flow", "flow", "skip")
    )
  }
  list(
    diagram_nodes = rbind(nodes, do.call(rbind, lapply(others, chain))),
    diagram_edges = rbind(edges, do.call(rbind, lapply(others, ways)))
  )
}
