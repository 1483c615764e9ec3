# The results that are kept beside the analysis, so that it can be made again without Python or training.
reference <- file.path(analysis_folder, "reference")

test_that("the reference results keep the schema and are those of a whole run on the virtual cohort", {
  results <- read_results(reference, test_schema())
  fact <- function(key) results$run$value[results$run$key == key]
  expect_identical(fact("cohort"), "virtual cohort")
  expect_identical(fact("profile"), "cpu")
  expect_identical(fact("dirty"), "0")
  # The article's numbers of patients and lesions, and every variant of its Table 5 and Figure 15.
  expect_identical(nrow(results$patients), 203L)
  expect_identical(sum(results$patients$group == "positive"), 111L)
  expect_identical(nrow(results$lesions), 174L)
  expect_setequal(as.character(results$categories$variant), c(
    "vgg16-adaptive", "vgg16-plain", "resnet50-adaptive", "resnet50-plain",
    "direct-frozen", "direct-finetuned", "direct-finetuned-size"
  ))
  expect_equal(sort(unique(results$pixel_counts$threshold)), seq(0, 1, 0.05))
})

test_that("the reference results and their provenance name one commit and fit into two megabytes", {
  files <- list.files(reference, "[.]csv([.]gz)?$", full.names = TRUE)
  expect_lte(sum(file.size(files)), 2e6)
  provenance <- paste(readLines(file.path(reference, "provenance.json")), collapse = "")
  run <- read.csv(file.path(reference, "run.csv"))
  expect_match(provenance, run$value[run$key == "commit"], fixed = TRUE)
})
