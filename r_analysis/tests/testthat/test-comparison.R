paper <- read_paper_results(paper_path)
analysis <- run_analysis(read_fixture(), paper)
comparison <- get_estimate(analysis, "comparison")

test_that("every printed number has its row, in order", {
  key <- c("item", "quantity", "level")
  expect_identical(row_keys(comparison, key), row_keys(paper, key))
  expect_identical(comparison$paper_value, paper$value)
})

test_that("on a virtual cohort no number is compared", {
  is_number <- !is.na(paper$number)
  expect_true(all(comparison$verdict[is_number] == "not comparable"))
  expect_true(all(comparison$verdict[!is_number] == "not a plain number"))
})

test_that("on another cohort numbers are compared, by their kind", {
  results <- read_fixture()
  results$run$value[results$run$key == "cohort"] <- "my hospital"
  comparison <- get_estimate(run_analysis(results, paper), "comparison")
  verdict <- function(item) unique(comparison$verdict[comparison$item == item])
  expect_true(all(verdict("Table 4") %in% c("agrees", "differs", "inconclusive")))
  expect_true(all(verdict("Table 5") %in% c("agrees", "differs", "inconclusive")))
  expect_identical(verdict("Fig. 15"), "not measured")
  expect_identical(verdict("Fig. 13"), "no rule")
  expect_identical(verdict("Table 2"), "not measured")
  expect_identical(verdict("Table 3"), "not a plain number")
})

test_that("our values are in the printed unit and from the results", {
  ours <- function(item, quantity, level) {
    comparison$ours_value[comparison$item == item & comparison$quantity == quantity & comparison$level == level]
  }
  results <- read_fixture()
  expect_equal(ours("\u00a72.3", "lesion diameter", "maximum"), max(results$lesions$diameter_mm) / 10)
  expect_equal(ours("\u00a72.3", "sex", "male"), 100 * mean(results$patients$sex == "M"))
  expect_equal(ours("\u00a72.3", "lesions smaller than 2 cm", "LR-3/4/5"), 100 * mean(results$lesions$diameter_mm < 20))
  at <- results$dice_by_threshold[results$dice_by_threshold$threshold == 0.7, ]
  expect_equal(ours("Table 4", "median Dice", "0.7"), stats::median(at$dice))
  categories <- results$categories
  rows <- categories[categories$variant == "resnet50-plain" & categories$roi == "reference_roi", ]
  expect_equal(
    ours("Table 5", "LI-RADS accuracy", "resnet50-plain"), 100 * mean(rows$category_pred == rows$category_ref)
  )
  expect_true(is.na(ours("Fig. 15", "LI-RADS accuracy", "direct-frozen")))
  expect_equal(ours("\u00a72.4", "folds", "all"), 3)
})

test_that("each accuracy stands beside the table or figure that the registry of variants names", {
  variants <- read_fixture()$variants
  table <- data.frame(
    variant = c("direct-frozen", "vgg16-plain", "direct-finetuned-size", "vgg16-plain"), proportion = 0.5, low = 0.4,
    high = 0.6, n = 9, n_effective = 8,
    scoring = c("reference_regions", "reference_regions", "reference_regions", "end_to_end")
  )
  ours <- collect_accuracy(table, variants)
  expect_identical(ours$item, c("Fig. 15", "Table 5", NA))
  expect_identical(ours$level, c("direct-frozen", "vgg16-plain", "direct-finetuned-size"))
  expect_equal(ours$value, rep(50, 3))
  # A variant that the article does not have stands beside none of its numbers.
  compared <- compare_with_paper(paper, ours, "my hospital")
  expect_identical(compared$level[!is.na(compared$ours_value)], c("vgg16-plain", "direct-frozen"))
})

test_that("printed intervals are Wilson's for shares and normal for means", {
  intervals <- compute_paper_intervals(paper)
  row <- which(paper$level == "vgg16-adaptive")
  wilson <- 100 * compute_wilson_interval(0.7613, 88)
  expect_equal(c(intervals$low[row], intervals$high[row]), c(wilson$low, wilson$high))
  expect_identical(intervals$method[row], "Wilson, n = 88 (n inferred)")
  age <- which(paper$quantity == "age" & paper$level == "mean")
  expect_equal(intervals$low[age], 58.53 - stats::qnorm(0.975) * 11.14 / sqrt(203))
  expect_true(all(is.na(intervals$low[paper$item == "Table 4"])))
})

test_that("verdicts on accuracies follow the rules", {
  verdict <- function(ours, n) compute_verdict("accuracy", ours, 0.76, n, 88)
  expect_identical(verdict(0.50, 174), "differs")
  # The same accuracy: 90 % interval of the difference within 0.15 with 174 lesions, not with 20.
  expect_identical(verdict(0.76, 174), "agrees")
  expect_identical(verdict(0.76, 20), "inconclusive")
  # Intervals that overlap are no agreement: 0.66 +- 0.07 and 0.76 +- 0.09 overlap, and 0.15 is not excluded.
  expect_identical(verdict(0.66, 174), "inconclusive")
  expect_identical(compute_verdict("accuracy", NA, 0.76, NA, 88), "not measured")
  expect_identical(compute_verdict("other", 58, 58.5, 203, 203), "no rule")
})

test_that("verdicts on Dice follow the rules", {
  # The standard error of the difference is 0.02 * sqrt(2) with as many patients: 1.96 * 0.0283 = 0.0554
  verdict <- function(ours, se) compute_verdict("dice", ours, 0.69, 111, 111, se)
  expect_identical(verdict(0.69 - 0.056, 0.02), "differs")
  expect_identical(verdict(0.69 - 0.053, 0.02), "agrees")
  expect_identical(verdict(0.69, 0.05), "inconclusive")
  expect_identical(verdict(0.69, NA), "inconclusive")
})

test_that("a printed table that is broken is refused with every problem", {
  lines <- readLines(paper_path, encoding = "UTF-8")
  path <- tempfile(fileext = ".csv")
  writeLines(c(lines, lines[2], "Table 9,x,y,1,,many,"), path, useBytes = TRUE)
  error <- tryCatch(read_paper_results(path), input_error = identity)
  expect_setequal(error$problems$column, c("item + quantity + level", "n"))
  writeLines("item,quantity,level", path)
  expect_error(read_paper_results(path), "column value: expected this column", class = "input_error")
  expect_error(read_paper_results("nowhere.csv"), "expected a file, found none", class = "input_error")
})
