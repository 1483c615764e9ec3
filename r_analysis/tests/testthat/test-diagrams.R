paper <- read_paper_results(paper_path)
half <- c(0.4, 0.3)
bulge <- list(x = c(0.1, 0.05), y = c(0.1, 0.05))
boxes <- function(x, y) data.frame(node_id = letters[seq_along(x)], x = x, y = y)
arrow <- function(source, target) data.frame(source = source, target = target, kind = "flow")

test_that("a straight arrow runs from border to border", {
  # Along a row: from the right side at 0.4 to the left side at 2 - 0.4.
  row <- place_arrows(boxes(c(0, 2), c(0, 0)), arrow("a", "b"), half, bulge)
  expect_equal(row[c("x", "y")], data.frame(x = c(0.4, 1.6), y = c(0, 0)))
  # Up a column.
  column <- place_arrows(boxes(c(1, 1), c(0, 1)), arrow("a", "b"), half, bulge)
  expect_equal(column[c("x", "y")], data.frame(x = c(1, 1), y = c(0.3, 0.7)))
  # Up a diagonal it leaves through the top, which is nearer.
  diagonal <- place_arrows(boxes(c(0, 1), c(0, 1)), arrow("a", "b"), half, bulge)
  expect_equal(diagonal[c("x", "y")], data.frame(x = c(0.3, 0.7), y = c(0.3, 0.7)))
})

test_that("an arrow swings round the boxes on its way, the longer one outside", {
  nodes <- boxes(0:3, rep(0, 4))
  arrows <- place_arrows(nodes, rbind(arrow("a", "c"), arrow("a", "d"), arrow("b", "d")), half, bulge)
  short <- arrows[arrows$arrow == 1, ]
  long <- arrows[arrows$arrow == 2, ]
  # Both begin and end on the upper border and nowhere dip into a box.
  expect_equal(c(short$y[1], short$y[61], long$y[1]), rep(half[2], 3))
  expect_true(all(arrows$y >= half[2]))
  expect_equal(max(short$y), half[2] + 0.1 + 0.05 * 2)
  expect_gt(max(long$y), max(short$y))
  # Of two that leave the same box the longer begins further back, of two that reach the same box it ends further on.
  expect_lt(long$x[1], short$x[1])
  expect_gt(long$x[61], arrows$x[arrows$arrow == 3][61])
  expect_true(all(abs(c(short$x[1] - 0, short$x[61] - 2)) <= half[1]))
  # Past a column it swings to the right.
  column <- place_arrows(boxes(rep(0, 3), 0:-2), arrow("a", "c"), half, bulge)
  expect_true(all(column$x >= half[1]))
  expect_equal(range(column$y), c(-2 + half[2] * 0.75, -half[2] * 0.75))
})

test_that("boxes elsewhere are not in the way", {
  nodes <- boxes(c(0, 2, 1, 0), c(0, 0, 1, 1))
  expect_false(is_blocked(nodes, c(0, 0), c(2, 0)))
  expect_false(is_blocked(nodes, c(0, 0), c(1, 1)))
  expect_true(is_blocked(boxes(0:2, rep(0, 3)), c(2, 0), c(0, 0)))
  expect_identical(nrow(place_arrows(nodes, arrow("a", "b")[0, ], half, bulge)), 0L)
})

test_that("a box says label, size, parameters and detail", {
  node <- function(...) {
    given <- list(...)
    all <- list(rows_px = NA, columns_px = NA, channels = NA, parameters = NA)
    all[names(given)] <- given
    as.data.frame(all)
  }
  expect_identical(
    describe_size(node(rows_px = 8, columns_px = 6, channels = 3, parameters = 11664)),
    c("8 \u00d7 6 \u00d7 3", "11,664 par.")
  )
  expect_identical(describe_size(node(channels = 64, parameters = 0)), "64 values")
  expect_identical(describe_size(node(channels = 1, parameters = 1)), c("1 value", "1 par."))
  expect_null(describe_size(node()))
  spec <- list(pitch = c(2, 1), box = c(1.5, 0.6), wrap = 10)
  nodes <- data.frame(
    x = 1, y = 2, label = "name", kind = "encoder", detail = "one two three", node(channels = 5, parameters = 7)
  )
  texts <- write_boxes(nodes, spec)
  expect_identical(texts$text, c("name", "5 values", "7 par.", "one two", "three"))
  expect_identical(texts$face, c("bold", rep("plain", 4)))
  # All lines together stand in the middle: 0.145 and four times 0.125 inches.
  expect_equal(texts$y, 2 + 0.645 / 2 - c(0.145 / 2, 0.145 + 0.125 * (0:3) + 0.125 / 2))
  beside <- write_boxes(rbind(nodes, transform(nodes, kind = "decoder")), c(spec, beside = "encoder"))
  expect_identical(beside$text, c("name", "5 values", "7 par.", "one two", "three", "name", "5 values", "7 par."))
  expect_true(all(beside$x[4:5] < 1 - 0.75 / 2) && all(beside$hjust[4:5] == 1))
  nodes$detail <- NA
  expect_identical(write_boxes(nodes, c(spec, one_line = TRUE))$text, c("name", "5 values, 7 par."))
})

test_that("printed times are put to the phases that have one", {
  nodes <- data.frame(
    node_id = c("precontrast", "arterial", "portal_venous", "delayed"), detail = c("unread", NA, "x", NA)
  )
  timed <- add_printed_times(nodes, select_paper(paper, "time after injection"))
  expect_identical(
    timed$detail, c("unread", "20\u201340 s (article)", "50\u201360 s (article); x", "180 s (article)")
  )
})

draw_diagrams <- function(results, pictures = character()) {
  build_figures(run_analysis(results, paper, pictures, name_outputs(list_diagram_outputs())))
}

test_that("every diagram of the results is drawn and put into a table", {
  figures <- draw_diagrams(read_fixture())
  expect_identical(names(figures), unname(vapply(DIAGRAMS, function(spec) spec$file, character(1))))
  expect_identical(names(DIAGRAMS), schema_levels(test_schema(), "diagram_nodes.csv", "figure"))
  data <- figures$figure_unet_plus_plus$data
  # A grid of depth 3: 6 boxes, 4 skips, 3 steps up and 2 down.
  expect_identical(c(table(data$part)), c(arrow = 9L, box = 6L))
  expect_match(figures$figure_unet_plus_plus$plot$labels$caption, "A decoder node has 2 convolutions", fixed = TRUE)
  expect_match(gsub("\n", " ", figures$figure_unet_plus_plus$plot$labels$caption), "10,004 parameters in all")
  for (figure in figures) {
    expect_match(figure$plot$labels$caption, "^virtual cohort")
    expect_true(figure$width <= 8.3 && figure$height <= 9)
  }
  expect_match(describe_missing_diagrams(figures), "^There is no screenshot of the reader")
  expect_identical(describe_missing_diagrams(c(figures, figure_07_reader = list(list()))), "")
})

test_that("without the tables, or with some diagrams only, the gap is named and the rest is drawn", {
  results <- read_fixture()
  results$diagram_edges <- NULL
  expect_null(collect_diagram(results, "workflow", paper))
  figures <- draw_diagrams(results)
  expect_length(figures, 0)
  expect_match(describe_missing_diagrams(figures), "have none of it: The step between.*one trunk, three heads")
  results <- read_fixture()
  results$diagram_nodes <- results$diagram_nodes[results$diagram_nodes$figure == "workflow", ]
  figures <- draw_diagrams(results)
  expect_identical(names(figures), "figure_02_workflow")
  expect_no_match(describe_missing_diagrams(figures), "workflow of a run")
})

test_that("the reader's screenshot is a figure where it is there", {
  folder <- tempfile()
  dir.create(folder)
  expect_false("reader" %in% names(find_pictures(folder, file.path(folder, "reader.png"))))
  path <- write_fixture_picture(file.path(folder, "reader.png"))
  pictures <- find_pictures(folder, path)
  expect_identical(pictures, c(reader = path))
  figures <- draw_diagrams(read_fixture(), pictures)
  expect_identical(figures$figure_07_reader$picture, path)
})

test_that("an arrow to no box is told", {
  results <- read_fixture()
  results$diagram_edges$target[2] <- "nowhere"
  problems <- check_diagrams(results)
  expect_identical(format_problems(problems), paste(
    "diagram_edges.csv, column target, row 3: expected a box of diagram_nodes.csv in the same figure, found 'nowhere'"
  ))
  expect_identical(nrow(check_diagrams(read_fixture())), 0L)
})
