paper <- read_paper_results(paper_path)

run_script <- function(..., folder = analysis_folder, environment = character()) {
  output <- suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"), c(shQuote(file.path(folder, "run.R")), ...), stdout = TRUE, stderr = TRUE,
    env = environment
  ))
  status <- attr(output, "status")
  list(text = paste(output, collapse = "\n"), status = if (is.null(status)) 0L else status)
}

read_bytes <- function(path) readBin(path, "raw", file.size(path))

test_that("the script writes a whole report from a checkout that cannot be written", {
  checkout <- tempfile("check out ")
  dir.create(checkout)
  file.copy(analysis_folder, checkout, recursive = TRUE)
  copied <- file.path(checkout, basename(analysis_folder))
  write_fixture_picture(file.path(copied, "reader.png"))
  # Other networks have tests of their own.
  unlink(file.path(copied, "yardsticks.csv"))
  Sys.chmod(list.files(copied, recursive = TRUE, include.dirs = TRUE, full.names = TRUE), "0555")
  before <- list.files(copied, recursive = TRUE, all.files = TRUE)
  out <- file.path(tempfile(), "report")
  # Another locale must change nothing.
  ran <- run_script(
    "--results", "fixture", "--out", shQuote(out), "--paper", shQuote(paper_path), folder = copied,
    environment = "LC_ALL=C"
  )
  expect_identical(ran$status, 0L, info = ran$text)
  expect_setequal(list.files(out), OUTPUT_ENTRIES)
  expect_identical(list.files(copied, recursive = TRUE, all.files = TRUE), before)
  Sys.chmod(list.files(copied, recursive = TRUE, include.dirs = TRUE, full.names = TRUE), "0755")
  unlink(checkout, recursive = TRUE)

  html <- readLines(file.path(out, "report.html"), encoding = "UTF-8")
  body <- paste(html[seq(grep("<body>", html), length(html))], collapse = " ")
  text <- trimws(gsub("<[^>]*>", "", body))
  expect_match(text, "^virtual cohort")
  expect_lt(file.size(file.path(out, "report.html")), 10 * 1024^2)
  expect_false(grepl("(src|href)=\"(https?:|file:|/)", body))
  captions <- regmatches(body, gregexpr("<(caption|figcaption)[^>]*>[^<]*", body))[[1]]
  expect_gt(length(captions), 15)
  expect_true(all(grepl(">\\s*virtual\\s+cohort\\.", captions)))
  pngs <- list.files(file.path(out, "figures"), "png$")
  expect_setequal(sub("[.]png$", "", pngs), c(
    unname(vapply(DIAGRAMS, function(spec) spec$file, character(1))), "figure_07_reader",
    "figure_04_patients", "figure_09_dice_boxes", "figure_10_dice_curves", "figure_12_pixel_curves",
    "figure_13_detection", "figure_14_confusion_main", "figure_16_confusion_variants",
    "figure_best_threshold", "figure_calibration", "figure_contrast_signal_over_liver",
    "figure_contrast_signal_over_precontrast", "figure_contrasts", "figure_detection_curves_by_size",
    "figure_detection_model", "figure_features", "figure_sizes", "figure_table_05_accuracy", "figure_training_history",
    "figure_learning_curve", "figure_free_response"
  ))
  for (other in c("svg", "csv")) {
    # The screenshot is a picture only.
    drawn <- setdiff(pngs, "figure_07_reader.png")
    expect_setequal(sub("png$", other, drawn), list.files(file.path(out, "figures"), paste0(other, "$")))
  }
  for (table in list.files(file.path(out, "figures"), "csv$", full.names = TRUE)) {
    expect_true(all(startsWith(readLines(table)[-1], "virtual cohort,")), info = table)
  }
  # The first chapter is the comparison, the second the claims; who, what and how long stands above both.
  order <- vapply(c("Duration", "Comparison with the article</h2>", ">Claims</h2>", ">The run</h2>"), function(word) {
    regexpr(word, body)[1]
  }, numeric(1))
  expect_true(all(order > 0) && !is.unsorted(order))

  # The same tables again, written here: byte for byte.
  again <- tempfile()
  dir.create(again)
  write_tables(run_analysis(read_fixture(), paper), again)
  tables <- list.files(again, "csv$", recursive = TRUE)
  expect_identical(tables, grep("^figures", list.files(out, "csv$", recursive = TRUE), value = TRUE, invert = TRUE))
  for (table in tables) {
    expect_identical(read_bytes(file.path(again, table)), read_bytes(file.path(out, table)), info = table)
    expect_true(all(startsWith(readLines(file.path(again, table))[-1], "virtual cohort,")), info = table)
  }
})

test_that("bad input ends with status 2, everything told and nothing written", {
  folder <- tempfile()
  results <- make_fixture_results()
  results$lesions <- NULL
  results$features$probability[3] <- 2
  write_results(results, folder)
  out <- file.path(tempfile(), "report")
  ran <- run_script("--results", shQuote(folder), "--out", shQuote(out), "--paper", "nowhere.csv")
  expect_identical(ran$status, 2L)
  expect_match(ran$text, "lesions.csv: expected a file, found none", fixed = TRUE)
  expect_match(
    ran$text, "features.csv, column probability, row 4: expected a number in [0, 1], found '2'", fixed = TRUE
  )
  expect_match(ran$text, "nowhere.csv: expected a file, found none", fixed = TRUE)
  expect_false(file.exists(dirname(out)))
  ran <- run_script("--results", "fixture")
  expect_identical(ran$status, 2L)
  expect_match(ran$text, "expected --out", fixed = TRUE)
})

test_that("what a run lacks is a gap, and the rest is drawn", {
  results <- make_fixture_results(variants = c("vgg16-plain", "resnet50-plain"))
  results$training_history <- results$training_history[0, ]
  # As of somebody's own patients, of whom there are no further draws.
  results$draws <- results$draws[0, ]
  folder <- tempfile()
  write_results(results, folder)
  analysis <- run_analysis(read_results(folder, test_schema()), paper)
  figures <- build_figures(analysis)
  gaps <- names(figures)[vapply(figures, function(figure) is.null(figure$plot), logical(1))]
  pictures <- c("figure_08_examples", "figure_11_small_lesions")
  lacking <- c(
    "figure_14_confusion_main", "figure_15_confusion_direct", "figure_contrasts", "figure_training_history",
    "figure_learning_curve"
  )
  expect_setequal(gaps, c(pictures, lacking))
  expect_match(figures$figure_14_confusion_main$gap, "no lesion of vgg16-adaptive")
  accuracy <- tabulate_accuracy(get_estimate(analysis, "accuracy"), paper)$table
  expect_identical(accuracy$Scoring[accuracy$Variant == "vgg16-adaptive"], "not in this run")
  expect_identical(sum(accuracy$Scoring == "not in this run"), 4L)
  out <- tempfile()
  dir.create(out)
  write_figures(figures["figure_16_confusion_variants"], out, "virtual cohort")
  render_report(analysis, lapply(figures, `[`, "gap"), out, analysis_folder, file.path(out, "report.html"))
  html <- paste(readLines(file.path(out, "report.html")), collapse = " ")
  expect_match(html, "Not in this run")
  expect_match(html, "no screenshot of the reader")
  expect_no_match(html, "further-draws|fresh draw")
})

test_that("pictures are put into the page where they stood, and nothing else is", {
  folder <- tempfile()
  dir.create(folder)
  for (name in c("one", "two")) writeBin(charToRaw(name), file.path(folder, paste0(name, ".png")))
  page <- c(
    "<p>one.png</p>", "<img src=\"one.png\" alt=\"1\"/><img src=\"two.png\"/>", "<a href=\"two.png\">",
    "<img src=\"data:image/png;base64,eA==.png\"/>"
  )
  expect_identical(embed_pictures(page, folder), c(
    page[1], "<img src=\"data:image/png;base64,b25l\" alt=\"1\"/><img src=\"data:image/png;base64,dHdv\"/>", page[3:4]
  ))
  expect_error(embed_pictures("<img src=\"three.png\"/>", folder))
})

test_that("a run without any category or feature still has its other parts", {
  results <- make_fixture_results()
  for (name in c("features", "categories", "training_history")) {
    results[[name]] <- results[[name]][0, ]
  }
  folder <- tempfile()
  write_results(results, folder)
  analysis <- run_analysis(read_results(folder, test_schema()), paper)
  expect_null(get_estimate(analysis, "accuracy"))
  expect_equal(nrow(tabulate_features(get_estimate(analysis, "features"))$table), 0)
  expect_true(all(tabulate_accuracy(NULL, paper)$table$Scoring == "not in this run"))
  expect_false(is.null(build_figures(analysis)$figure_13_detection$plot))
})

test_that("the report's prose has no number and no verdict of its own", {
  files <- list.files(analysis_folder, "[.]Rmd$", full.names = TRUE)
  source <- paste(unlist(lapply(files, readLines, encoding = "UTF-8")), collapse = "\n")
  prose <- gsub("(?s)```\\{r.*?```", "", source, perl = TRUE)
  prose <- gsub("`r [^`]*`", "", prose)
  prose <- remove_names(prose)
  expect_identical(regmatches(prose, gregexpr("[^\n]*[0-9][^\n]*", prose))[[1]], character())
})

test_that("small cohorts with one lesion a fold go through", {
  folder <- tempfile()
  write_fixture_results(folder, positives = 4, negatives = 2, folds = 2, seed = 3)
  analysis <- run_analysis(read_results(folder, test_schema()), paper)
  expect_false(any(is.nan(unlist(get_estimate(analysis, "accuracy")[c("proportion", "low", "high")]))))
  expect_silent(write_figures(build_figures(analysis), tempfile(), "virtual cohort"))
})
