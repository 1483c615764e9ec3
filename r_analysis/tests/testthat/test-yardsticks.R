yardsticks <- read_fixture_yardsticks()
weights <- draw_yardstick_weights(yardsticks)
dice <- compute_yardstick_dice(yardsticks, weights)
of_training <- function(network, segmentation, minutes, folds, statistic) {
  dice[
    dice$network == network & dice$segmentation == segmentation & dice$core_minutes == minutes &
      dice$test_folds == folds & dice$statistic == statistic,
  ]
}

test_that("a table that is absent or has no row gives no chapter", {
  expect_null(read_yardsticks(file.path(tempfile(), "yardsticks.csv"), yardsticks_schema()))
  expect_null(read_fixture_yardsticks(make_fixture_yardsticks()[0, ]))
  expect_false(has_yardstick_chapter(list(yardsticks = NULL)))
  expect_true(has_yardstick_chapter(list(yardsticks = yardsticks)))
})

test_that("a malformed table is refused with everything that is wrong", {
  told <- function(change) {
    error <- tryCatch(read_fixture_yardsticks(change(make_fixture_yardsticks())), input_error = identity)
    conditionMessage(error)
  }
  text <- told(function(table) {
    table$dice[2] <- 1.5
    table$network[1] <- "nnunet"
    table[names(table) != "steps"]
  })
  expect_match(text, "yardsticks.csv, column dice, row 3: expected a number in [0, 1], found '1.5'", fixed = TRUE)
  expect_match(
    text, "column network, row 2: expected one of unet_plus_plus, plain_unet, segmentation_models, found 'nnunet'",
    fixed = TRUE
  )
  expect_match(text, "yardsticks.csv, column steps: expected this column", fixed = TRUE)
  expect_match(told(function(table) rbind(table, table[3, ])), "expected each combination once, found a repetition")
  # Trainings of several cohorts are no table.
  text <- told(function(table) {
    table$cohort_seed[6] <- 2023
    table$profile_digest[7] <- "000000000000"
    table$steps[4] <- 3
    table
  })
  expect_match(text, "column cohort_seed, row 7: expected the same in all rows, found '2023'", fixed = TRUE)
  expect_match(text, "column profile_digest, row 8: expected the same in all rows, found '000000000000'", fixed = TRUE)
  expect_match(text, "column steps, row 5: expected the same for all patients of a training, found '3'", fixed = TRUE)
})

test_that("patients are resampled among those that were tested together", {
  expect_identical(rownames(weights), LETTERS[1:6])
  expect_true(all(colSums(weights[c("A", "B", "C", "D"), ]) == 4) && all(colSums(weights[c("E", "F"), ]) == 2))
})

test_that("each training has its average and its median", {
  expect_identical(nrow(dice), 22L)
  average <- of_training("unet_plus_plus", "delayed", 5, "0 1 2", "average")
  expect_equal(average$value, 0.5)
  expect_identical(average$patients, 4L)
  expect_equal(of_training("unet_plus_plus", "delayed", 5, "0 1 2", "median")$value, 0.45)
  expect_equal(of_training("plain_unet", "delayed", 5, "3 4 5", "average")$value, 0.3)
  resampled <- colMeans(weights[c("A", "B", "C", "D"), ] * c(0.2, 0.4, 0.9, 0.5))
  expect_equal(c(average$low, average$high), unname(quantile(resampled, c(0.025, 0.975))))
})

test_that("the difference is of pairs, over all turns, and its verdict is of the lower limit", {
  pairs <- compare_with_plain_unet(yardsticks, weights)
  expect_identical(pairs$segmentation, c("delayed", "three-phase"))
  expect_identical(pairs$patients, c(6L, 6L))
  # (5 x 0.1 + 0.4) / 6, and half of it the other way round.
  expect_equal(pairs$difference, c(0.15, -0.075))
  expect_equal(pairs$own, c(3.1 / 6, 3.1 / 6 - 0.075))
  expect_equal(pairs$own - pairs$plain, pairs$difference)
  expect_identical(pairs$verdict, c("not worse by 0.03", "not shown"))
  # What one of the two has not tested has no part in it.
  only <- yardsticks[!(yardsticks$network == "plain_unet" & yardsticks$test_folds == "3 4 5"), ]
  expect_identical(compare_with_plain_unet(only, weights)$patients, c(4L, 4L))
  expect_null(compare_with_plain_unet(yardsticks[yardsticks$network != "plain_unet", ], weights))
})

test_that("limits are those of a hand's resamples", {
  two <- yardsticks[yardsticks$patient_id %in% c("E", "F") & yardsticks$segmentation == "delayed", ]
  by_hand <- matrix(c(2, 0, 1, 1, 0, 2, 1, 1), 2, dimnames = list(c("E", "F"), NULL))
  # Differences 0.1 and 0.4: means 0.1, 0.25, 0.4, 0.25; sorted, the limits lie at 1 + 3 p.
  pairs <- compare_with_plain_unet(two, by_hand)
  expect_equal(c(pairs$low, pairs$high), c(0.1 + 0.075 * 0.15, 0.25 + 0.925 * 0.15))
})

test_that("the margin itself is not above it", {
  expect_identical(decide_not_worse(-YARDSTICK_MARGIN), "not shown")
  expect_identical(decide_not_worse(-YARDSTICK_MARGIN + 1e-9), "not worse by 0.03")
  expect_identical(decide_not_worse(NA_real_), "not shown")
})

test_that("the curve is of the folds with the most lengths, with the others beside it", {
  curve <- select_yardstick_curve(dice)
  expect_true(all(curve$test_folds == "0 1 2" & curve$statistic == "average"))
  own <- curve[curve$network == "unet_plus_plus" & curve$segmentation == "delayed", ]
  expect_equal(own$core_minutes, c(1, 5, 20))
  expect_equal(own$value, c(0.4, 0.5, 0.6))
  expect_setequal(as.character(curve$network), c("unet_plus_plus", "plain_unet", "segmentation_models"))
  expect_null(select_yardstick_curve(dice[dice$core_minutes == 5, ]))
  expect_null(select_yardstick_curve(dice[dice$network == "plain_unet", ]))
})

test_that("page, files and figure say whose patients these are, whoever the run's are", {
  results <- read_fixture()
  results$run$value[results$run$key == "cohort"] <- "my hospital"
  own <- new_output("own", function(analysis) data.frame(a = 1), csv = "own")
  outputs <- name_outputs(c(list_yardstick_outputs(), list(own)))
  analysis <- run_analysis(results, read_paper_results(paper_path), outputs = outputs, yardsticks = yardsticks)
  folder <- tempfile()
  write_tables(analysis, folder)
  figures <- build_figures(analysis)
  expect_silent(write_figures(figures, folder, analysis$label))
  files <- c("tables/yardsticks.csv", "tables/yardstick_difference.csv", "figure_yardsticks.csv")
  for (file in files) {
    lines <- readLines(file.path(folder, file))[-1]
    expect_true(length(lines) > 0 && all(startsWith(lines, "virtual cohort for development (seed 9000),")), info = file)
  }
  expect_identical(readLines(file.path(folder, "tables", "own.csv"))[2], "my hospital,1")
  page <- new_presenter(analysis, figures)$show_rest(YARDSTICK_CHAPTER)
  captions <- regmatches(page, gregexpr("<(caption|figcaption)[^>]*>[^<]*", page))[[1]]
  expect_length(captions, 3)
  expect_true(all(grepl(">\\s*virtual\\s+cohort\\s+for\\s+development", captions)))
  expect_length(grep("[0-9]", remove_names(figures$figure_yardsticks$caption)), 0)
  words <- describe_yardsticks(yardsticks)
  expect_match(words, "(seed 9000), **not of this run's patients**", fixed = TRUE)
  expect_match(words, "in these trainings", fixed = TRUE)
})

test_that("the chapter is in the page", {
  analysis <- run_analysis(read_fixture(), read_paper_results(paper_path), yardsticks = yardsticks)
  folder <- tempfile()
  dir.create(folder)
  figures <- lapply(build_figures(analysis), function(figure) list(gap = "left out here"))
  shown <- render_report(analysis, figures, folder, analysis_folder, file.path(folder, "report.html"))
  expect_setequal(shown, names_to_show(analysis$outputs, virtual = TRUE, yardsticks = TRUE))
  html <- gsub("\\s+", " ", paste(readLines(file.path(folder, "report.html"), encoding = "UTF-8"), collapse = " "))
  expect_match(html, "id=\"other-networks\">Other networks, and more minutes</h2>", fixed = TRUE)
  expect_match(html, "href=\"#other-networks\"", fixed = TRUE)
  expect_match(html, "<strong>not of this run's patients</strong>", fixed = TRUE)
})
