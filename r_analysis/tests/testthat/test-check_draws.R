results <- list(
  patients = data.frame(
    patient_id = c("A", "B", "C", "D"), group = factor(rep(c("positive", "negative"), each = 2))
  ),
  draws = rbind(
    make_small_draws(), make_small_draws("three-phase"),
    make_draw("fresh", "A", "positive", 0.2, 1, 1, 1, 1, "arterial_moved", 6, "three-phase"),
    make_draw("fresh", "A", "positive", 0.1, 1, 1, 1, 1, "arterial_missing", NA, "three-phase")
  )
)
told <- function(draws) format_problems(check_draws(list(patients = results$patients, draws = draws)))
spoil <- function(row, ...) {
  draws <- results$draws
  values <- list(...)
  for (column in names(values)) draws[[column]][row] <- values[[column]]
  told(draws)
}

test_that("sound draws are sound, and so are none", {
  expect_identical(nrow(check_draws(results)), 0L)
  expect_identical(nrow(check_draws(list(patients = results$patients, draws = results$draws[0, ]))), 0L)
  expect_identical(nrow(check_draws(read_fixture())), 0L)
  expect_identical(nrow(check_draws(read_two_segmentations())), 0L)
})

test_that("no more lesions are found than there are", {
  expect_identical(
    spoil(1, n_detected = 3), "draws.csv, column n_detected, row 2: expected at most n_reference, 2, found '3'"
  )
  expect_identical(
    spoil(5, n_matched = 4), "draws.csv, column n_matched, row 6: expected at most n_predicted, 1, found '4'"
  )
  expect_identical(
    spoil(1, n_matched = 0),
    "draws.csv, column n_matched, row 2: expected above 0, because lesions are detected, found '0'"
  )
  expect_identical(
    spoil(4, n_matched = 1),
    "draws.csv, column n_matched, row 5: expected 0, because no lesion is detected, found '1'"
  )
})

test_that("Dice is there where a reference lesion is, and nowhere else", {
  expect_identical(spoil(2, dice = NA), paste(
    "draws.csv, column dice, row 3: expected a number in [0, 1], because there is a reference lesion,",
    "found an empty cell"
  ))
  expect_identical(
    spoil(3, dice = 0),
    "draws.csv, column dice, row 4: expected an empty cell, because there is no reference lesion, found '0'"
  )
})

test_that("phases are changed on the fresh draw alone, by an amount where there is one", {
  expect_match(
    spoil(19, draw = "shifted"), "column draw, row 20: expected fresh, because of arterial_moved", all = FALSE
  )
  expect_identical(
    spoil(19, amount = NA),
    "draws.csv, column amount, row 20: expected a number for arterial_moved, found an empty cell"
  )
  expect_identical(
    spoil(20, amount = 3), "draws.csv, column amount, row 21: expected an empty cell for arterial_missing, found '3'"
  )
  expect_identical(
    spoil(1, amount = 0), "draws.csv, column amount, row 2: expected an empty cell for as_acquired, found '0'"
  )
  expect_identical(
    spoil(19, amount = -3), "draws.csv, column amount, row 20: expected a distance from 0 on, found '-3'"
  )
})

test_that("the cross-validation is of the run's own patients, all of them, with their groups", {
  expect_identical(
    spoil(c(1, 10), draw_patient_id = "Z"), c(
      "draws.csv, column draw_patient_id, rows 2, 11: expected a patient of patients.csv, found 'Z'",
      paste(
        "draws.csv, column draw + draw_patient_id + segmentation: expected a row for cross_validation | A |",
        c("delayed,", "three-phase,"), "found none"
      )
    )
  )
  expect_match(
    spoil(1, group = "negative"), "column group, row 2: expected 'positive' as patients.csv says", all = FALSE
  )
  expect_identical(told(results$draws[-4, ]), paste(
    "draws.csv, column draw + draw_patient_id + segmentation: expected a row for cross_validation | D | delayed,",
    "found none"
  ))
})

test_that("every variant has every patient of every draw, as acquired and of one group", {
  expect_identical(told(results$draws[-14, ]), paste(
    "draws.csv, column draw + draw_patient_id + segmentation: expected a row for fresh | A | three-phase, found none"
  ))
  expect_identical(
    told(results$draws[results$draws$draw != "shifted", ]),
    "draws.csv, column draw: expected rows of shifted as acquired, found none"
  )
  expect_identical(
    spoil(19, group = "negative"),
    "draws.csv, column group, row 20: expected 'positive' as the patient's first row says, found 'negative'"
  )
})

test_that("a results folder with such a table is refused", {
  folder <- tempfile()
  made <- make_fixture_results()
  made$draws$n_detected[1] <- 7
  write_results(made, folder)
  expect_error(
    read_results(folder, test_schema()),
    "draws.csv, column n_detected, row 2: expected at most n_reference, 1, found '7'",
    class = "input_error", fixed = TRUE
  )
})
