paper <- read_paper_results(paper_path)
fake <- new_output(
  "fake", function(analysis) data.frame(what = "one of its own", lesions = nrow(analysis$results$lesions)),
  csv = "fake_rows", table = function(rows, analysis) new_report_table("A table of its own.", What = rows$what),
  figure = "figure_fake", plot = function(rows, analysis) {
    draw(ggplot2::ggplot(rows), "A figure of its own.", "Nothing", 2, 1, rows)
  },
  chapter = "training"
)
results <- read_fixture()
analysis <- run_analysis(results, paper, outputs = name_outputs(c(list_outputs(), list(fake))))
figures <- build_figures(analysis)
has <- function(field) vapply(analysis$outputs, function(output) !is.null(output[[field]]), logical(1))

test_that("every output with a file writes it where it has rows, and there is no other file", {
  folder <- tempfile()
  write_tables(analysis, folder)
  # The pre-training's Dice and the surfaces are not in the fixture, nor is a second segmentation variant, a network of
  # one phase has no condition of a phase, and the table of other networks is of no run.
  without_rows <- names(Filter(function(estimate) NROW(estimate) == 0, analysis$estimates[has("csv")]))
  elsewhere <- c(SEGMENTATION_CHAPTER, YARDSTICK_CHAPTER)
  of_others <- Filter(function(output) isTRUE(output$chapter %in% elsewhere), analysis$outputs[has("csv")])
  expect_setequal(without_rows, c("pretraining_dice", "surface", "draw_conditions", names(of_others)))
  files <- lapply(analysis$outputs[has("csv")], function(output) {
    sub("^[.]/", "", file.path(output$csv_folder, paste0(output$csv, ".csv")))
  })
  expect_setequal(list.files(folder, recursive = TRUE), unlist(files[setdiff(names(files), without_rows)]))
  written <- readLines(file.path(folder, files$dice))
  expect_match(written[1], "^cohort,threshold,statistic,patients,value")
  expect_length(written, nrow(get_estimate(analysis, "dice")) + 1)
})

test_that("an output that is added in one place has its file, its figure and its place in the report", {
  folder <- tempfile()
  write_tables(analysis, folder)
  expect_identical(
    readLines(file.path(folder, "tables", "fake_rows.csv")),
    c("cohort,what,lesions", paste0("virtual cohort,one of its own,", nrow(results$lesions)))
  )
  write_figures(figures["figure_fake"], file.path(folder, "figures"), analysis$label)
  expect_setequal(list.files(file.path(folder, "figures")), paste0("figure_fake.", c("png", "svg", "csv")))
  shown_figures <- c(lapply(figures, function(figure) list(gap = "left out here")), figures["figure_fake"])
  shown_figures <- shown_figures[!duplicated(names(shown_figures), fromLast = TRUE)]
  page <- file.path(folder, "report.html")
  shown <- render_report(analysis, shown_figures, file.path(folder, "figures"), analysis_folder, page)
  html <- paste(readLines(page, encoding = "UTF-8"), collapse = " ")
  expect_true(grepl("<caption>\\s*virtual cohort. A table of its own.\\s*</caption>", html))
  expect_true(grepl("<figcaption>\\s*virtual cohort. A figure of its own.\\s*</figcaption>", html))
  expect_true("fake" %in% shown)
  # And so has every other.
  expect_setequal(shown, names_to_show(analysis$outputs, virtual = TRUE))
})

test_that("whatever has a table or a figure has a chapter", {
  expect_identical(has("chapter"), has("table") | has("figure"))
})

test_that("the page asks for outputs and chapters that are registered, and for none twice", {
  files <- list.files(analysis_folder, "[.]Rmd$", full.names = TRUE)
  source <- paste(unlist(lapply(files, readLines, encoding = "UTF-8")), collapse = "\n")
  asked <- function(call) {
    found <- regmatches(source, gregexpr(paste0("(?<=\\b", call, "\\()[^)]*"), source, perl = TRUE))[[1]]
    # A name that is put together could not be checked here.
    expect_match(found, "^\"[a-z_]+\"$|, \"[a-z_]+\"$")
    gsub(".*\"([a-z_]+)\"$", "\\1", found)
  }
  expect_gt(length(asked("show")), 5)
  expect_length(setdiff(c(asked("show"), asked("get_estimate")), names(analysis$outputs)), 0)
  # Reference diameters stand in one chapter or in the other.
  expect_identical(unique(asked("show")[duplicated(asked("show"))]), "sizes")
  chapters <- unlist(lapply(analysis$outputs, `[[`, "chapter"))
  in_page <- c(asked("show_rest"), chapters[asked("show")])
  expect_length(setdiff(asked("show_rest"), chapters), 0)
  expect_length(setdiff(chapters, in_page), 0)
  expect_identical(anyDuplicated(asked("show_rest")), 0L)
})

test_that("an estimator reads what stands before it, and nothing else", {
  reads <- function(name) new_output("reader", function(analysis) get_estimate(analysis, name))
  early <- new_output("early", function(analysis) 1)
  order <- function(...) run_analysis(results, paper, outputs = name_outputs(list(...)))
  expect_identical(get_estimate(order(early, reads("early")), "reader"), 1)
  expect_error(order(reads("early"), early), "no output early before this one")
  expect_error(order(reads("reader")), "no output reader before this one")
  # A part of a name is no name, and nothing is an estimate, too.
  expect_error(order(early, reads("ear")), "no output ear before")
  expect_null(get_estimate(order(new_output("none", function(analysis) NULL)), "none"))
})

test_that("names and files are unique, and a figure has files and a plot or neither", {
  expect_error(name_outputs(list(fake, fake)), "anyDuplicated")
  for (field in c("name", "csv", "figure")) {
    other <- new_output("other", fake$estimate, csv = "other", figure = "other", plot = fake$plot)
    other[[field]] <- fake[[field]]
    expect_error(name_outputs(list(fake, other)), "anyDuplicated", info = field)
  }
  expect_error(new_output("x", fake$estimate, figure = "figure_x"))
  expect_error(new_output("x", fake$estimate, plot = fake$plot))
})

test_that("files bear the number of what they stand for in the article", {
  kinds <- c(Table = "table", Fig. = "figure")
  numbered <- Filter(function(output) grepl("^(Table|Fig[.]) [0-9]+$", output$paper_item), analysis$outputs)
  expect_gt(length(numbered), 15)
  for (output in numbered) {
    item <- strsplit(output$paper_item, " ")[[1]]
    expected <- sprintf("%s_%02d_", kinds[[item[1]]], as.integer(item[2]))
    expect_match(c(output$csv, output$figure), expected, fixed = TRUE, info = output$name)
  }
})

test_that("an output is shown once, in its order, and only if it is registered and can be seen", {
  parts <- function(figure_first) {
    seen_fake <- utils::modifyList(fake, list(figure_first = figure_first))
    outputs <- name_outputs(list(seen_fake, new_output("no", identity)))
    seen <- list(
      label = "c", outputs = outputs, estimates = list(fake = data.frame(what = "x"), no = NULL)
    )
    new_presenter(seen, list(figure_fake = figures$figure_fake))
  }
  page <- parts(TRUE)
  html <- page$show("fake")
  expect_match(html, "<figcaption>.*<table")
  expect_identical(page$list_shown(), "fake")
  expect_error(page$show("fake"), "output fake is shown twice")
  expect_identical(as.character(page$show_rest("training")), "")
  expect_error(page$show("no"), "neither table nor figure")
  expect_error(page$show("fak"), "no output fak in R/outputs.R")
  expect_error(page$show_rest("trainings"), "no output is of the chapter trainings")
  html <- parts(FALSE)$show_rest("training")
  expect_match(html, "<table.*<figcaption>")
})

test_that("captions of figures have no number of their own", {
  captions <- unlist(lapply(figures, `[[`, "caption"))
  expect_gt(length(captions), 20)
  expect_identical(grep("[0-9]", remove_names(captions), value = TRUE), setNames(character(), character()))
})
