defaults <- list(paper = "p.csv")

test_that("arguments are read in both forms", {
  expected <- list(paper = "p.csv", results = "a b", out = "c=d")
  expect_identical(parse_arguments(c("--results", "a b", "--out=c=d"), defaults), expected)
  expect_identical(parse_arguments(c("--paper", "q.csv", "--results", "a", "--out", "b"), defaults)$paper, "q.csv")
  expect_true(parse_arguments(c("--out", "b", "--help"), defaults)$help)
  expect_identical(parse_arguments(c("--results", "a", "--out", "b", "--cores=2"), defaults)$cores, 2L)
})

test_that("all that is wrong with the arguments is told", {
  error <- tryCatch(parse_arguments(c("--result", "--out"), defaults), input_error = identity)
  expect_match(conditionMessage(error), "found '--result'", fixed = TRUE)
  expect_match(conditionMessage(error), "expected a value after --out, found none", fixed = TRUE)
  expect_match(conditionMessage(error), "expected --results, found none", fixed = TRUE)
  expect_error(
    parse_arguments(c("--results", "a", "--out", "b", "--cores", "0"), defaults),
    "expected a whole number from 1 after --cores, found '0'", class = "input_error"
  )
  expect_error(parse_arguments(character(), defaults), "expected --out, found none", class = "input_error")
})

test_that("missing software is told with the line to type", {
  expect_null(describe_missing_software())
  message <- describe_missing_software(c(required_packages(), nosuchpackage = "r-cran-nosuchpackage"), pandoc = "")
  expect_match(message, "nosuchpackage, pandoc", fixed = TRUE)
  expect_match(message, "Type: sudo apt-get install -y r-cran-nosuchpackage pandoc", fixed = TRUE)
})
